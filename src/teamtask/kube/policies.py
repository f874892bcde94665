"""`policies`: what the API server itself refuses, whatever a role allows: others' blocks, and pods by way of a list.

Whoever may write the status of blocks is taken to be the controller, or an administrator; the accounts of Kubernetes'
own controllers take away what is collected with a namespace or a pod.
"""

from __future__ import annotations

from typing import Any

from teamtask.kube import objects as o

BLOCKS = f"blocks.{o.GROUP}"
WORKLISTS = f"worklists.{o.GROUP}"
_POD = "authentication.kubernetes.io/pod-name"
_HAS_POD = f"has(request.userInfo.extra) && '{_POD}' in request.userInfo.extra"

_ALL_CONTROLLERS = "system:kube-controller-manager"  # without --use-service-account-credentials

_NOT_OURS = [
    {
        "name": "not-the-controller",
        "expression": (
            f"!authorizer.group('{o.GROUP}').resource('blocks').subresource('status')"
            ".namespace(request.namespace).check('patch').allowed()"
        ),
    },
    {
        "name": "not-kubernetes-itself",
        "expression": (
            "!('system:serviceaccounts:kube-system' in request.userInfo.groups)"
            f" && request.userInfo.username != '{_ALL_CONTROLLERS}'"
        ),
    },
]
_VARIABLES = [
    {"name": "block", "expression": "request.operation == 'DELETE' ? oldObject : object"},
    {
        "name": "pod",
        "expression": f"{_HAS_POD} ? request.userInfo.extra['{_POD}'][0] : ''",
    },
    {"name": "holderPod", "expression": "has(variables.block.spec.holderPod) ? variables.block.spec.holderPod : ''"},
]
_HAS_FINALIZER = f"(has(object.metadata.finalizers) && '{o.FINALIZER}' in object.metadata.finalizers)"
_SAME_REPORT = "(has(oldObject.spec.report) && object.spec.report == oldObject.spec.report)"
_PRESENT = "(has(oldObject.status.sequence) && object.spec.report.sequence == oldObject.status.sequence)"
_IS_ITS_POD = "owner.apiVersion == 'v1' && owner.kind == 'Pod' && variables.pod != '' && owner.name == variables.pod"
_IS_NO_CONTROLLER = "!(has(owner.controller) && owner.controller)"
_RULES = (
    (
        "variables.block.spec.holder == request.userInfo.username",
        "A block belongs to its holder: spec.holder is the name of the user who makes, reports on and deletes it.",
    ),
    (
        "variables.holderPod == variables.pod",
        "A pod holds its own block: spec.holderPod is the pod whose token is used, and nothing without one.",
    ),
    (
        "variables.pod == '' || variables.block.metadata.name == variables.pod",
        "A pod's block has the pod's name.",
    ),
    (
        f"request.operation == 'DELETE' || {_HAS_FINALIZER}",
        f"A block has the finalizer {o.FINALIZER} until the controller has counted what it reported.",
    ),
    (
        "request.operation != 'CREATE' || object.spec.holderGroups.all(group, group in request.userInfo.groups)",
        "spec.holderGroups are groups of the user who makes the block.",
    ),
    (
        (
            "request.operation == 'DELETE' || !has(object.metadata.ownerReferences)"
            f" || object.metadata.ownerReferences.all(owner, {_IS_ITS_POD} && {_IS_NO_CONTROLLER})"
        ),
        (
            "A block that belongs to its Worklist is the controller's, for it has pods made: an owner of another one is"
            " the pod whose token is used, with apiVersion v1 and not as its controller."
        ),
    ),
    (
        "request.operation != 'CREATE' || !has(object.spec.report)",
        "A new block has nothing to report.",
    ),
    (
        f"request.operation != 'UPDATE' || !has(object.spec.report) || {_SAME_REPORT} || {_PRESENT}",
        "The report is on an assignment that is over: report.sequence is that of the status.",
    ),
)


_WORKERS_CHANGE = {
    "name": "workers-change",
    "expression": (
        "has(object.spec.workers) && (request.operation == 'CREATE'"
        " || !has(oldObject.spec.workers) || oldObject.spec.workers != object.spec.workers)"
    ),
}
_MAY_MAKE_PODS = (
    "authorizer.group('').resource('pods').namespace(request.namespace).check('create').allowed()",
    "A list with workers makes pods: whoever writes spec.workers must be allowed to create pods in this namespace.",
)


def policies() -> list[dict[str, Any]]:
    """Give the ValidatingAdmissionPolicies and their bindings, as `kubectl apply` takes them."""
    blocks = _policy("blocks", ["CREATE", "UPDATE", "DELETE"], _NOT_OURS, _RULES) | {"variables": _VARIABLES}
    worklists = _policy("worklists", ["CREATE", "UPDATE"], [_WORKERS_CHANGE], (_MAY_MAKE_PODS,))
    return [*_bound(BLOCKS, blocks), *_bound(WORKLISTS, worklists)]


def _policy(
    resource: str, operations: list[str], conditions: list[dict[str, str]], rules: tuple[tuple[str, str], ...]
) -> dict[str, Any]:
    rule = {"apiGroups": [o.GROUP], "apiVersions": ["*"], "operations": operations, "resources": [resource]}
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "matchConditions": conditions,
        "validations": [
            {"expression": expression, "message": message, "reason": "Forbidden"} for expression, message in rules
        ],
    }


def _bound(name: str, spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        _object("ValidatingAdmissionPolicy", name, spec),
        _object("ValidatingAdmissionPolicyBinding", name, {"policyName": name, "validationActions": ["Deny"]}),
    ]


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    version = "admissionregistration.k8s.io/v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
