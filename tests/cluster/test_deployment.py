"""The controller in pods of its own, as `kubectl apply -k deploy/controller` installs it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Cluster

FOLDER = Path(__file__).parents[2] / "deploy" / "controller"
SYSTEM = "teamtask-system"


@pytest.fixture
def installed(cluster: Cluster, image: str, tmp_path: Path) -> Iterator[str]:
    """Apply the folder with the image of this tree, for one namespace: others are worked by other tests."""
    namespace = f"{cluster.namespace}-installed"
    name, _, tag = image.rpartition(":")
    container = "/spec/template/spec/containers/0"
    changes = [
        {"op": "add", "path": f"{container}/imagePullPolicy", "value": "Never"},
        {"op": "add", "path": f"{container}/args/-", "value": f"--namespace={namespace}"},
    ]
    patch = {"target": {"kind": "Deployment"}, "patch": json.dumps(changes)}
    kustomization = {
        "resources": [os.path.relpath(FOLDER, tmp_path)],
        "images": [{"name": "teamtask", "newName": name, "newTag": tag}],
        "patches": [patch],
    }
    (tmp_path / "kustomization.yaml").write_text(json.dumps(kustomization))
    cluster.kubectl("create", "namespace", namespace)
    cluster.kubectl("apply", "-k", str(tmp_path), f"--namespace={SYSTEM}")
    yield namespace
    # First the pods: without their rights they would be refused what they ask for.
    cluster.kubectl("delete", "deployment", "teamtask-controller", f"--namespace={SYSTEM}", "--cascade=foreground",
                    "--timeout=30s", "--request-timeout=0")  # fmt: skip
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")
    cluster.kubectl("delete", "namespace", SYSTEM, "--wait=false")
    cluster.kubectl("delete", "clusterrolebinding", "teamtask-controller")
    for kind in ("flowschema", "prioritylevelconfiguration"):
        cluster.kubectl("delete", kind, "teamtask")


def test_two_controllers_in_pods_work_a_list_one_of_them_and_then_the_other(cluster: Cluster, installed: str) -> None:
    cluster.kubectl(
        "rollout", "status", "deployment/teamtask-controller", f"--namespace={SYSTEM}", "--timeout=60s",
        "--request-timeout=0",
    )  # fmt: skip
    there = [f"--namespace={installed}"]
    spec = {"source": {"kind": "range", "stop": 2}, "block": {"size": 1}}
    worklist = {"apiVersion": "teamtask.io/v1alpha1", "kind": "Worklist", "metadata": {"name": "mine"}, "spec": spec}
    cluster.kubectl("create", "-f", "-", *there, given=worklist)
    metadata = {"name": "me", "finalizers": ["teamtask.io/uncounted"]}
    block = {
        "apiVersion": "teamtask.io/v1alpha1", "kind": "Block", "metadata": metadata,
        "spec": {"listRef": {"name": "mine"}, "holder": "admin"},
    }  # fmt: skip
    cluster.kubectl("create", "-f", "-", *there, given=block)
    cluster.kubectl("wait", "--for=jsonpath={.status.sequence}=1", "block/me", "--timeout=20s", *there)
    lease = json.loads(cluster.kubectl("get", "lease", "teamtask-controller", f"--namespace={SYSTEM}", "-o", "json"))
    leader = lease["spec"]["holderIdentity"].partition("_")[0]
    cluster.kubectl("delete", "pod", leader, f"--namespace={SYSTEM}", "--grace-period=5", "--wait=false")
    done = json.dumps({"spec": {"report": {"sequence": 1, "state": "Completed"}}})
    cluster.kubectl("patch", "block", "me", "--type=merge", "-p", done, *there)
    cluster.kubectl("wait", "--for=jsonpath={.status.sequence}=2", "block/me", "--timeout=25s", *there)
    cluster.kubectl("delete", "worklist", "mine", *there)
    cluster.kubectl("delete", "block", "me", *there)
