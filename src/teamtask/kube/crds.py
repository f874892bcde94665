"""`definitions`: the CustomResourceDefinitions of Worklist and Block, made from the types of their objects."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import structs

from teamtask.kube import objects as o
from teamtask.kube.crd_words import FIELDS

_BLOCK_COLUMNS = (
    ("Ready", "string", ".status.ready", 0),
    ("Status", "string", ".status.phase", 0),
    ("Restarts", "integer", ".status.restarts", 0),
    ("Index", "string", ".status.index", 0),
    ("Size", "string", ".status.size", 0),
)
_WORKLIST_COLUMNS = (
    ("Status", "string", ".status.phase", 0),
    ("Progress", "string", ".status.progress", 0),
    ("Active", "integer", ".status.activeBlocks", 0),
    ("Failed", "integer", ".status.failedItems", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Done", "string", ".status.completed", 1),
    ("BlockSize", "integer", ".status.effectiveBlockSize", 1),
    ("Rate", "string", ".status.rate", 1),
    ("ETA", "string", ".status.eta", 1),
)
_SCALE = {
    "scale": {
        "specReplicasPath": ".spec.workers.replicas",
        "statusReplicasPath": ".status.workerPods",
        "labelSelectorPath": ".status.workerSelector",
    }
}
_FIRST_STATUS = {"phase": o.PENDING, "ready": "0/1", "restarts": 0, "index": o.PENDING, "size": o.PENDING}
_ONLY_STAYS = {
    "rule": "self.only == oldSelf.only",
    "message": "Which indices are worked is said when a list is made: make another one.",
}
_RESULTS_TO_COUNT = {
    "rule": "!has(self.stopAfterResults) || self.results.keep != 'None'",
    "message": "With results.keep None no result is counted, so stopAfterResults would never be reached.",
}
_HOLDER_STAYS = {
    "rule": (
        "self.listRef == oldSelf.listRef && self.holder == oldSelf.holder"
        " && self.holderGroups == oldSelf.holderGroups"
        " && has(self.holderPod) == has(oldSelf.holderPod)"
        " && (!has(self.holderPod) || self.holderPod == oldSelf.holderPod)"
    ),
    "message": "A block keeps its list and its holder: create another one.",
}


def definitions() -> list[dict[str, Any]]:
    """Give both definitions, as `kubectl apply` takes them."""
    worklist = _schema(o.WorklistSpec, o.WorklistStatus, "A list that many hands work through in blocks.")
    block = _schema(o.BlockSpec, o.BlockStatus, "A claim: whoever wants work creates one, and is given a range.")
    block["properties"]["status"]["default"] = _FIRST_STATUS
    worklist["properties"]["spec"]["x-kubernetes-validations"] = [_ONLY_STAYS, _RESULTS_TO_COUNT]
    block["properties"]["spec"]["x-kubernetes-validations"] = [_HOLDER_STAYS]
    return [
        _definition("Worklist", "worklists", ["lists", "list"], worklist, _WORKLIST_COLUMNS, _SCALE),
        _definition("Block", "blocks", [], block, _BLOCK_COLUMNS, {}),
    ]


def _definition(
    kind: str,
    plural: str,
    short: list[str],
    schema: dict[str, Any],
    columns: tuple[tuple[str, str, str, int], ...],
    subresources: dict[str, Any],
) -> dict[str, Any]:
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "shortNames": short, "categories": ["teamtask"]}
    shown = [
        {"name": name, "type": kind_of, "jsonPath": path, "priority": priority}
        for name, kind_of, path, priority in columns
    ]
    version = {
        "name": o.VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}, **subresources},
        "additionalPrinterColumns": shown,
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{o.GROUP}"},
        "spec": {"group": o.GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def _schema(spec: type, status: type, sentence: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": sentence,
        "required": ["spec"],
        "properties": {"spec": _object(spec, defaults=True), "status": _object(status, defaults=False)},
    }


def _object(kind: type, *, defaults: bool) -> dict[str, Any]:
    """Give the structural schema of a Struct; every field has its sentence, or this fails."""
    properties, required = {}, []
    for field in structs.fields(kind):
        schema = _value(field.type, defaults=defaults)
        schema["description"] = FIELDS[kind][field.name]
        if field.required:
            required.append(field.encode_name)
        elif defaults and field.default is not None:
            default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
            schema["default"] = _without_nulls(msgspec.to_builtins(default))
        properties[field.encode_name] = schema
    made: dict[str, Any] = {"type": "object", "description": kind.__doc__, "properties": properties}
    if required:
        made["required"] = required
    return made


def _without_nulls(default: object) -> object:
    return (
        {name: value for name, value in default.items() if value is not None} if isinstance(default, dict) else default
    )


def _value(annotation: Any, *, defaults: bool) -> dict[str, Any]:  # noqa: ANN401 - a type is anything
    """Give the structural schema of a field: msgspec's own, without what Kubernetes does not know."""
    kinds, components = msgspec.json.schema_components([annotation], ref_template="{name}")
    schema = kinds[0]
    if not schema:  # any JSON, and null is one
        return {"x-kubernetes-preserve-unknown-fields": True, "nullable": True}
    if schema == {"type": "object"}:
        return schema | {"x-kubernetes-preserve-unknown-fields": True}
    options = [option for option in schema.pop("anyOf", []) if option.get("type") != "null"]
    if len(options) > 1:
        return {"x-kubernetes-int-or-string": True}
    schema |= options[0] if options else {}
    named = {kind.__name__: kind for kind in FIELDS}
    if "$ref" in schema:
        return _object(named[schema["$ref"]], defaults=defaults)
    if "$ref" in schema.get("items", {}):
        kind = named[schema["items"]["$ref"]]
        keys = {"Condition": ["type"], "Assignment": ["index"], "ReportedResult": ["index"]}.get(kind.__name__)
        listed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys} if keys else {}
        return schema | {"items": _object(kind, defaults=defaults)} | listed
    assert not components, schema
    if "exclusiveMinimum" in schema:  # a flag beside the bound, in the OpenAPI that Kubernetes speaks
        schema |= {"minimum": schema["exclusiveMinimum"], "exclusiveMinimum": True}
    if schema.get("type") == "integer":
        schema["format"] = "int64"
    schema.pop("title", None)
    return schema
