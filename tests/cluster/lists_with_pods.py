"""Lists with a pod for each block, for the tests of those on a real cluster."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import files
import images

if TYPE_CHECKING:
    from conftest import Cluster

IMAGE = images.BASE if os.environ.get("KUBECONFIG") == str(files.KUBECONFIG) else "debian:12-slim"
GREET = 'echo "\\"hello $TEAMTASK_ITEM\\"" > /dev/termination-log'
ITEMS = [f"host-{number}" for number in range(20)]


def template(command: str, **fields: Any) -> dict[str, Any]:
    """Give a pod that runs a command of the shell."""
    container = {"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", command]}
    return {"spec": {"terminationGracePeriodSeconds": 1, "containers": [container | fields]}}


def workers(command: str, replicas: int = 4, **fields: Any) -> dict[str, Any]:
    return {"mode": "PodPerBlock", "replicas": replicas, "template": template(command, **fields)}


def create(cluster: Cluster, name: str, command: str, items: list[str] = ITEMS, **spec: Any) -> None:
    replicas = spec.pop("replicas", 4)
    spec = {"source": {"kind": "lines", "items": items}, "block": {"size": 1}} | spec
    cluster.create_list(name, workers=workers(command, replicas), **spec)


def wait_for_end(cluster: Cluster, name: str, condition: str = "Finished") -> dict[str, Any]:
    cluster.kubectl(
        "wait", f"--for=condition={condition}", f"worklist/{name}", "--timeout=120s", "--request-timeout=130s"
    )
    return cluster.status("worklist", name)


def results(cluster: Cluster, name: str) -> dict[str, Any]:
    data = json.loads(cluster.kubectl("get", "configmap", f"{name}-results", "-o", "json"))["data"]
    return {row["item"]: row["result"] for row in map(json.loads, data.values())}


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    return next((one for one in status.get("conditions", []) if one["type"] == kind), {})


def pods(cluster: Cluster, name: str) -> list[dict[str, Any]]:
    return list(json.loads(cluster.kubectl("get", "pods", "-l", f"teamtask.io/worklist={name}", "-o", "json"))["items"])
