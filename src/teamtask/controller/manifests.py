"""`pod_of`, `job_of`, `block_of`: what the controller makes for `spec.workers`, as the API server takes it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from teamtask.kube import objects as o
from teamtask.kube import workloads as w

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME_CHARACTERS_MAX = 50  # of a list with workers: labels have 63, and a block's number is added
LAST_WORDS = "FallbackToLogsOnError"  # who fails without a message leaves the end of its log
ALWAYS = 2**31 - 1  # how often an item may fail is the list's matter, not the Job's

Env = list[dict[str, Any]]


def pod_of(worklist: o.Worklist, block: o.Block, item: str | None) -> dict[str, Any]:
    """Give the pod for a block's assignment; `item` is its text where the block is one item."""
    assignment = block.status.assignments[0]
    said = {"INDEX": str(assignment.index), "SIZE": str(assignment.size), "LIST": worklist.metadata.name}
    if item is not None:
        said["ITEM"] = item
    env = [{"name": f"TEAMTASK_{name}", "value": value.replace("$", "$$")} for name, value in said.items()]
    return _pod(worklist, block.metadata, block.status.sequence, env)


def trial_pod(worklist: o.Worklist) -> dict[str, Any]:
    """Give a pod as the blocks' pods will be, for a dry run."""
    block = o.Metadata(name=f"{worklist.metadata.name}-0", uid=worklist.metadata.uid)
    return _pod(worklist, block, 0, [{"name": "TEAMTASK_INDEX", "value": "0"}])


def _pod(worklist: o.Worklist, block: o.Metadata, sequence: int, env: Env) -> dict[str, Any]:
    template = _template(worklist)
    labels = _labels(worklist) | {w.BLOCK_LABEL: block.name, w.SEQUENCE_LABEL: str(sequence)}
    metadata = _kept_metadata(template, labels)
    metadata |= {"name": f"{block.name}-{sequence}", "ownerReferences": [w.owner("Block", block)]}
    spec = dict(_mapping(template.get("spec"))) | {"restartPolicy": "Never"}
    for kind in ("initContainers", "containers"):
        _set_env(spec, kind, env, ours_first=True)
    if isinstance(spec.get("containers"), list):
        spec["containers"] = [
            {"terminationMessagePolicy": LAST_WORDS} | one if isinstance(one, dict) else one
            for one in spec["containers"]
        ]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def job_of(worklist: o.Worklist, *, suspend: bool) -> dict[str, Any]:
    """Give the Job of a pool: its pods end when the list does.

    Each has an index of its own, so that one that ended well, or fails often, keeps no other from being replaced.
    """
    template = _template(worklist)
    spec = {"restartPolicy": "Never"} | _mapping(template.get("spec"))
    env: Env = [
        {"name": "TEAMTASK_URL", "value": "k8s://"},
        {"name": "TEAMTASK_LIST", "value": worklist.metadata.name},
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    _set_env(spec, "containers", env, ours_first=False)
    replicas = replicas_of(worklist)
    job: dict[str, Any] = {
        "completionMode": "Indexed",
        "completions": max(1, replicas),  # with none it would have ended
        "parallelism": max(1, replicas),
        "backoffLimit": ALWAYS,
        "suspend": suspend or not replicas,
        "template": {"metadata": _kept_metadata(template, _labels(worklist)), "spec": spec},
    }
    if spec["restartPolicy"] == "Never":  # the API server takes neither with another one
        job["backoffLimitPerIndex"] = ALWAYS
        disrupted = [{"type": "DisruptionTarget", "status": "True"}]
        job["podFailurePolicy"] = {"rules": [{"action": "Ignore", "onPodConditions": disrupted}]}
    metadata = {
        "name": worklist.metadata.name,
        "labels": _labels(worklist),
        "annotations": {w.TEMPLATE_ANNOTATION: template_hash(worklist)},
        "ownerReferences": [w.owner("Worklist", worklist.metadata)],
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": job}


def block_of(worklist: o.Worklist, name: str, holder: str) -> dict[str, Any]:
    """Give a block that the controller holds itself; it goes with its list."""
    metadata = {
        "name": name,
        "finalizers": [o.FINALIZER],
        "ownerReferences": [w.owner("Worklist", worklist.metadata)],
    }
    spec = {"listRef": {"name": worklist.metadata.name}, "holder": holder}
    return {"apiVersion": o.API_VERSION, "kind": "Block", "metadata": metadata, "spec": spec}


def replicas_of(worklist: o.Worklist) -> int:
    """Give how many pods a list is to have."""
    return worklist.spec.workers.replicas if worklist.spec.workers is not None else 0


def template_hash(worklist: o.Worklist) -> str:
    """Tell one template from another, and one mode."""
    mode = worklist.spec.workers.mode if worklist.spec.workers is not None else ""
    text = json.dumps([mode, _template(worklist)], sort_keys=True)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def selector(worklist: o.Worklist) -> str:
    """Give the labels of a list's pods, as kubectl and autoscalers take them."""
    return f"{w.WORKLIST_LABEL}={worklist.metadata.name}"


def _labels(worklist: o.Worklist) -> dict[str, Any]:
    return {w.WORKLIST_LABEL: worklist.metadata.name}


def _template(worklist: o.Worklist) -> dict[str, Any]:
    return worklist.spec.workers.template if worklist.spec.workers is not None else {}


def _kept_metadata(template: dict[str, Any], labels: dict[str, Any]) -> dict[str, Any]:
    metadata = _mapping(template.get("metadata"))
    kept = {"annotations": metadata["annotations"]} if "annotations" in metadata else {}
    return kept | {"labels": _mapping(metadata.get("labels")) | labels}


def _set_env(spec: dict[str, Any], kind: str, env: Env, *, ours_first: bool) -> None:
    """Add variables to containers; where something else stands than belongs there, the API server is to say so."""
    if isinstance(spec.get(kind), list):
        spec[kind] = [_with_env(one, env, ours_first=ours_first) for one in spec[kind]]


def _with_env(container: object, env: Env, *, ours_first: bool) -> object:
    """Give a container with these variables: in the place of its own, and known to them, or where it has none."""
    theirs = container.get("env") or [] if isinstance(container, dict) else None
    if not isinstance(container, dict) or not isinstance(theirs, list):
        return container
    if ours_first:
        ours = set(_names(env))
        return container | {"env": env + [one for one in theirs if set(_names([one])).isdisjoint(ours)]}
    set_already = set(_names(theirs))
    return container | {"env": [*theirs, *(one for one in env if one["name"] not in set_already)]}


def _names(env: Iterable[object]) -> list[object]:
    return [one.get("name") for one in env if isinstance(one, dict)]


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
