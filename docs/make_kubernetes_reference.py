"""Writes reference/kubernetes.md: the fields of Worklist and Block, from the definitions that `teamtask crds` prints.

    python docs/make_kubernetes_reference.py

A test fails when the page is not what this script would write.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teamtask.kube.crds import definitions

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parent / "reference" / "kubernetes.md"
BEGINNING = """<!-- written by docs/make_kubernetes_reference.py; do not edit -->

# Worklist and Block

The objects of a cluster that knows them (`teamtask crds` prints what it has to know), in the group
`teamtask.io/v1alpha1`. The specs are yours, and of a Block its holder's; the controller alone writes the status. In a
terminal `kubectl explain worklist.spec` says the same.
"""


def page() -> str:
    """Give the text of the page."""
    parts = [BEGINNING]
    for definition in definitions():
        version = definition["spec"]["versions"][0]
        schema = version["schema"]["openAPIV3Schema"]
        names = definition["spec"]["names"]
        short = f" (`{'`, `'.join(names['shortNames'])}`)" if names["shortNames"] else ""
        parts.append(f"## {names['kind']}\n\n{schema['description']} `kubectl get {names['plural']}`{short}.\n")
        for part in ("spec", "status"):
            rows = [*_rows(schema["properties"][part], f"{part}.")]
            parts.append(f"### {names['kind']} {part}\n\n| field | type | default | |\n| --- | --- | --- | --- |")
            parts.append("\n".join(rows) + "\n")
    return "\n".join(parts)


def _rows(schema: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, field in schema["properties"].items():
        needed = name in schema.get("required", ())
        default = "required" if needed else f"`{json.dumps(field['default'])}`" if "default" in field else ""
        yield f"| `{prefix}{name}` | {_kind(field)} | {default} | {field['description']} |"
        inner = field.get("items", field)
        if "properties" in inner:
            yield from _rows(inner, f"{prefix}{name}{'[]' if 'items' in field else ''}.")


def _kind(field: dict[str, Any]) -> str:
    """Give the type of a field, with its bounds."""
    if field.get("x-kubernetes-int-or-string"):
        return "integer or text"
    if "type" not in field:
        return "any JSON"
    bounds = []
    if "minimum" in field:
        bounds.append(f"{'more than' if field.get('exclusiveMinimum') else 'at least'} {field['minimum']:,}")
    if "maximum" in field:
        bounds.append(f"at most {field['maximum']:,}")
    if "maxLength" in field:
        bounds.append(f"at most {field['maxLength']:,} characters")
    if "maxItems" in field:
        bounds.append(f"at most {field['maxItems']:,}")
    if re.fullmatch(r"\^\([A-Za-z|]+\)\$", field.get("pattern", "")):
        bounds.append(f"`{field['pattern'].strip('^$()').replace('|', '`, `')}`")
    kind = {"string": "text", "array": "list"}.get(field["type"], field["type"])
    return ", ".join([kind, *bounds])


def main() -> None:
    """Write the page."""
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
