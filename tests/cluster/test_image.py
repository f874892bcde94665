"""The image of deploy/Dockerfile is server and controller in a pod that may do nothing but that.

Its namespace takes only pods that keep to the `restricted` standard of Kubernetes; their root file system is read-only.
"""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
import teamtask_image

import teamtask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Cluster

    Kubectl = Callable[..., str]

USER = 10001
OURS = ("opt/teamtask/", "var/lib/teamtask/")
ACCOUNTS = {f"etc/{name}" for name in ("group", "gshadow", "passwd", "shadow", "subgid", "subuid")}
ADDED_BYTES_MAX = 250_000_000
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.fixture(scope="module")
def kubectl(cluster: Cluster) -> Iterator[Kubectl]:
    namespace = f"{cluster.namespace}-restricted"
    cluster.kubectl("create", "namespace", namespace)
    cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")

    def call(*arguments: str, **more: Any) -> str:
        return cluster.kubectl(f"--namespace={namespace}", *arguments, **more)

    yield call
    call("patch", "block/left", "--type=merge", '-p={"metadata": {"finalizers": null}}', check=False)
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def pod(name: str, image: str, *arguments: str, **more: Any) -> dict[str, Any]:
    """Give a pod of the image that may do as little as a pod can."""
    container = {"name": "main", "image": image, "args": list(arguments), "securityContext": RESTRICTED}
    container |= more.pop("container", {})
    spec = {"restartPolicy": "Never", "containers": [container], **more}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def wait(kubectl: Kubectl, *arguments: str) -> None:
    """Wait for a minute at most."""
    kubectl("wait", *arguments, "--timeout=60s", "--request-timeout=70s")


def ended(kubectl: Kubectl, name: str) -> str:
    """Wait until a pod has ended well; give what it printed."""
    wait(kubectl, f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded")
    return kubectl("logs", name)


def test_it_runs_without_a_right(kubectl: Kubectl, image: str) -> None:
    kubectl("create", "-f", "-", given=pod("version", image, "--version"))
    assert ended(kubectl, "version") == f"teamtask {teamtask.__version__}\n"


def test_its_user_has_a_number_and_a_name(kubectl: Kubectl, image: str) -> None:
    command = {"command": ["sh", "-c", "id -u && id -un && ! touch /var/lib/teamtask/x 2>/dev/null"]}
    kubectl("create", "-f", "-", given=pod("user", image, container=command))
    assert ended(kubectl, "user") == f"{USER}\nteamtask\n"


def test_a_server_in_a_pod_answers_and_ends_when_it_is_told_to(kubectl: Kubectl, image: str) -> None:
    container = {
        "volumeMounts": [{"name": "state", "mountPath": "/var/lib/teamtask"}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 1},
    }
    volumes = [{"name": "state", "emptyDir": {}}]
    given = pod("server", image, "serve", container=container, volumes=volumes, securityContext={"fsGroup": USER})
    kubectl("create", "-f", "-", given=given)
    wait(kubectl, "pod/server", "--for=condition=Ready")
    kubectl("exec", "server", "--", "teamtask", "create", "numbers", "--range", "0:10")
    assert "numbers" in kubectl("exec", "server", "--", "teamtask", "ls")
    namespace = json.loads(kubectl("get", "pod", "server", "-o", "json"))["metadata"]["namespace"]
    assert kubectl("get", f"--raw=/api/v1/namespaces/{namespace}/pods/server:8080/proxy/readyz")
    kubectl("exec", "server", "--", "sh", "-c", "kill 1")
    assert "Traceback" not in ended(kubectl, "server")


def test_a_controller_in_a_pod_assigns_as_its_service_account(kubectl: Kubectl, cluster: Cluster, image: str) -> None:
    kubectl("create", "serviceaccount", "controller")
    account = f"{cluster.namespace}-restricted:controller"
    kubectl("create", "rolebinding", "controller", "--clusterrole=teamtask-controller", f"--serviceaccount={account}")
    arguments = ("controller", "--namespace", f"{cluster.namespace}-restricted")
    kubectl("create", "-f", "-", given=pod("controller", image, *arguments, serviceAccountName="controller"))
    version = {"apiVersion": "teamtask.io/v1alpha1"}
    spec: dict[str, Any] = {"source": {"kind": "range", "stop": 10}}
    kubectl("create", "-f", "-", given=version | {"kind": "Worklist", "metadata": {"name": "numbers"}, "spec": spec})
    metadata = {"name": "left", "finalizers": ["teamtask.io/uncounted"]}
    spec = {"listRef": {"name": "numbers"}, "holder": "admin"}
    kubectl("create", "-f", "-", given=version | {"kind": "Block", "metadata": metadata, "spec": spec})
    wait(kubectl, "block/left", "--for=jsonpath={.status.phase}=Ready")
    kubectl("delete", "block/left")
    kubectl("delete", "pod/controller")


def test_the_image_adds_teamtask_and_its_user_to_its_base_and_nothing_else(image: str) -> None:
    assert image
    added: dict[str, int] = {}
    with tarfile.open(teamtask_image.archive()) as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json") or pytest.fail("no manifest"))
        for layer in manifest["Layers"][1:]:
            with tarfile.open(fileobj=archive.extractfile(layer)) as files:
                added |= {file.name: file.size for file in files if not file.isdir()}
    beside = {name.rstrip("-") for name, size in added.items() if size and not name.startswith(OURS)}
    assert beside <= ACCOUNTS, "neither what a build was given nor what it left behind is in the image"
    assert sum(added.values()) < ADDED_BYTES_MAX
