"""What a person does with a list of hosts and kubectl: applies it, looks, changes, waits, deletes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Cluster

pytestmark = pytest.mark.usefixtures("controller")

HOSTS = [f"host-{number}.example" for number in range(100)]
BAD = "host-42.example"


@pytest.fixture(scope="module")
def document(cluster: Cluster, image: str) -> dict[str, Any]:
    """Give a Worklist of a hundred hosts and workers that say of all but one that it answers."""
    cluster.kubectl("create", "serviceaccount", "pings")
    subject = f"--serviceaccount={cluster.namespace}:pings"
    cluster.kubectl("create", "rolebinding", "pings", "--clusterrole=teamtask-worker", subject)
    ping = ["sh", "-c", f"sleep 0.2; test {{}} != {BAD} && echo {{}} answers"]
    container = {"name": "work", "image": image, "args": ["work", "hosts", "-j1", "--", *ping]}
    pod = {"serviceAccountName": "pings", "terminationGracePeriodSeconds": 3, "containers": [container]}
    template = {"spec": pod}
    spec = {
        "source": {"kind": "lines", "items": HOSTS},
        "block": {"size": 4},
        "attempts": 1,
        "workers": {"mode": "Pool", "replicas": 2, "template": template},
    }
    return {"apiVersion": "teamtask.io/v1alpha1", "kind": "Worklist", "metadata": {"name": "hosts"}, "spec": spec}


def edit(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, *changes: str) -> str:
    """Run `kubectl edit` with an editor that makes these changes; give what it says."""
    monkeypatch.setenv("KUBE_EDITOR", f"sed -i '{';'.join(changes)}'")
    return cluster.kubectl("edit", "worklist", "hosts", check=False)


def row(cluster: Cluster) -> list[str]:
    """Give what `kubectl get lists` prints of it."""
    return cluster.kubectl("get", "lists", "hosts", "--no-headers").split()


def test_a_hundred_hosts_from_apply_to_delete(
    cluster: Cluster, document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where kubectl keeps an edit that was refused
    file = tmp_path / "hosts.yaml"
    file.write_text(json.dumps(document))
    assert "hosts created" in cluster.kubectl("apply", "-f", str(file))
    assert "hosts unchanged" in cluster.kubectl("apply", "-f", str(file))
    cluster.wait(lambda: cluster.status("worklist", "hosts").get("completedItems", 0) > 0)
    assert row(cluster)[1] == "Running"
    assert "hosts scaled" in cluster.kubectl("scale", "worklist", "hosts", "--replicas=3")
    cluster.wait(lambda: cluster.status("worklist", "hosts")["workerPods"] == 3)

    suspended = edit(
        cluster, monkeypatch, "s/suspend: false/suspend: true/", "s/maxActiveBlocks: 1000/maxActiveBlocks: 1/"
    )
    assert "hosts edited" in suspended
    cluster.kubectl("wait", "--for=condition=Suspended", "worklist/hosts", "--timeout=20s")
    cluster.wait(lambda: cluster.status("worklist", "hosts")["activeBlocks"] == 0)
    cluster.wait(lambda: cluster.status("worklist", "hosts")["workerPods"] == 0)
    done = row(cluster)[2]
    assert done != "100/100"
    said = edit(cluster, monkeypatch, "s/attempts: 1/attempts: 0/")
    assert "is invalid" in said
    kept = "".join(one.read_text() for one in tmp_path.glob("kubectl-edit-*"))
    assert "# * spec.attempts" in kept, "the person reads why, above what was written"
    assert row(cluster)[1:3] == ["Suspended", done], "and nothing has changed"
    assert "hosts edited" in edit(cluster, monkeypatch, "s/suspend: true/suspend: false/")
    cluster.wait(lambda: cluster.status("worklist", "hosts")["activeBlocks"] == 1)

    for end in ("Finished", "Complete"):
        cluster.kubectl("wait", f"--for=condition={end}", "worklist/hosts", "--timeout=90s", "--request-timeout=0")
    assert row(cluster)[1:3] == ["Complete", "100/100"]
    described = cluster.kubectl("describe", "worklist", "hosts")
    for word in ("Accepted", "Suspended", "Resumed", "Finished", "0-99"):
        assert word in described, described
    rows = json.loads(cluster.kubectl("get", "configmap", "hosts-results", "-o", "jsonpath={.data}"))
    answers = {one["item"]: one["ok"] for one in map(json.loads, rows.values())}
    assert answers == {host: host != BAD for host in HOSTS}

    assert '"hosts" deleted' in cluster.kubectl("delete", "-f", str(file))
    cluster.wait(lambda: not left(cluster))


def left(cluster: Cluster) -> list[str]:
    found = cluster.kubectl("get", "worklists,blocks,jobs,pods,configmaps", "-o", "name").split()
    return [one for one in found if one.partition("/")[2].startswith("hosts")]
