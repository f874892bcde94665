"""`roles`: what controller, workers, editors and viewers may do with our objects."""

from __future__ import annotations

from typing import Any

from teamtask.kube import objects as o

LEASE = "teamtask-controller"
_READ = ["get", "list", "watch"]
_AGGREGATED = "rbac.authorization.k8s.io/aggregate-to-"


def roles() -> list[dict[str, Any]]:
    """Give the ClusterRoles, as `kubectl apply` takes them; a binding in a namespace says for whom they hold there."""
    return [
        _role(
            "controller",
            [
                _rule(["worklists"], ["list", "watch", "delete"]),
                _rule(["worklists/status", "blocks/status"], ["patch"]),
                _rule(["blocks"], [*_READ, "patch", "create", "delete"]),
                _rule(["configmaps"], ["get", "create", "patch"], ""),
                _rule(["events"], ["create"], ""),
                _rule(["pods"], [*_READ, "create", "delete"], ""),
                _rule(["jobs"], ["list", "watch", "create", "patch", "delete"], "batch"),
                _rule(["leases"], ["create"], "coordination.k8s.io"),
                _rule(["leases"], ["get", "update"], "coordination.k8s.io") | {"resourceNames": [LEASE]},
            ],
        ),
        _role(
            "worker",
            [_rule(["worklists"], ["get", "list"]), _rule(["blocks"], [*_READ, "create", "patch", "delete"])],
        ),
        _role(
            "editor",
            [
                _rule(["worklists"], [*_READ, "create", "update", "patch", "delete"]),
                _rule(["worklists/scale"], ["get", "update", "patch"]),
                _rule(["blocks"], [*_READ, "create", "update", "patch", "delete"]),
                _rule(["configmaps"], ["get", "create"], ""),  # results, and lines
            ],
            to=("edit", "admin"),
        ),
        _role("viewer", [_rule(["worklists", "blocks"], _READ), _rule(["configmaps"], ["get"], "")], to=("view",)),
    ]


def _rule(resources: list[str], verbs: list[str], group: str = o.GROUP) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def _role(name: str, rules: list[dict[str, Any]], to: tuple[str, ...] = ()) -> dict[str, Any]:
    """Give a role; `to` are the roles of Kubernetes that have its rules too."""
    metadata: dict[str, Any] = {"name": f"teamtask-{name}"}
    if to:
        metadata["labels"] = {f"{_AGGREGATED}{role}": "true" for role in to}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules}
