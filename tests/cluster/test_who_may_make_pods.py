"""What the API server refuses by itself: pods through a list, by whoever may not make pods."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Cluster

RULES = ["--verb=get,create,patch,update", "--resource=worklists.teamtask.io,worklists.teamtask.io/scale"]


def worklist(name: str, command: str | None = None) -> dict[str, Any]:
    spec: dict[str, Any] = {"source": {"kind": "range", "stop": 5}, "suspend": True}
    if command is not None:
        container = {"name": "main", "image": "none", "command": [command]}
        spec["workers"] = {"mode": "PodPerBlock", "template": {"spec": {"containers": [container]}}}
    return {"apiVersion": "teamtask.io/v1alpha1", "kind": "Worklist", "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module")
def planner(cluster: Cluster) -> Callable[..., str]:
    """Give kubectl as an account that may write lists, and no pods."""
    cluster.kubectl("create", "role", "planner", *RULES)
    cluster.kubectl("create", "serviceaccount", "planner")
    subject = f"--serviceaccount={cluster.namespace}:planner"
    cluster.kubectl("create", "rolebinding", "planner", "--role=planner", subject)
    token = cluster.kubectl("create", "token", "planner").strip()

    def run(*arguments: str, given: object = None) -> str:
        return cluster.kubectl(f"--token={token}", *arguments, given=given, check=False)

    return run


def patch(name: str, spec: dict[str, Any]) -> tuple[str, ...]:
    return "patch", "worklist", name, "--type=merge", "-p", json.dumps({"spec": spec})


def test_who_may_not_make_pods_makes_no_list_with_workers(planner: Callable[..., str]) -> None:
    assert "must be allowed to create pods" in planner("create", "-f", "-", given=worklist("by-planner", "true"))
    assert "created" in planner("create", "-f", "-", given=worklist("by-planner"))
    workers = worklist("by-planner", "true")["spec"]["workers"]
    assert "must be allowed to create pods" in planner(*patch("by-planner", {"workers": workers}))


def test_of_another_ones_workers_it_changes_all_but_the_pods(cluster: Cluster, planner: Callable[..., str]) -> None:
    cluster.kubectl("create", "-f", "-", given=worklist("by-admin", "true"))
    assert "patched" in planner(*patch("by-admin", {"maxActiveBlocks": 7}))
    assert "scaled" in planner("scale", "worklist", "by-admin", "--replicas=2")
    assert "must be allowed to create pods" in planner(*patch("by-admin", {"workers": {"replicas": 3}}))
    other = worklist("by-admin", "false")["spec"]["workers"]
    assert "must be allowed to create pods" in planner(*patch("by-admin", {"workers": other}))
    assert "patched" in planner(*patch("by-admin", {"workers": None}))


def test_who_may_make_pods_makes_lists_with_workers(cluster: Cluster, planner: Callable[..., str]) -> None:
    cluster.kubectl("create", "role", "maker", "--verb=create", "--resource=pods")
    cluster.kubectl("create", "rolebinding", "maker", "--role=maker", f"--serviceaccount={cluster.namespace}:planner")
    try:
        cluster.wait(lambda: "created" in planner("create", "-f", "-", given=worklist("by-maker", "true")))
    finally:
        cluster.kubectl("delete", "rolebinding", "maker")
