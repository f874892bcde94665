"""The definitions of our objects, as far as they can be looked at without a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from teamtask.kube import objects as o
from teamtask.kube.crds import definitions


def schemas(of: Any, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Give every field with its schema, by its path."""
    found = [(path, of)] if path else []
    for name, schema in of.get("properties", {}).items():
        found += schemas(schema, f"{path}.{name}")
    if "items" in of:
        found += schemas(of["items"], f"{path}[]")
    return found


@pytest.mark.parametrize("definition", definitions(), ids=lambda definition: definition["spec"]["names"]["kind"])
def test_every_field_says_what_it_is(definition: dict[str, Any]) -> None:
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    found = schemas(schema)
    assert len(found) > 20
    silent = [path for path, field in found if not field.get("description") and not path.endswith("[]")]
    assert silent == []


def test_a_new_block_says_that_it_is_pending_before_anybody_has_looked_at_it() -> None:
    block = definitions()[1]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    default = block["properties"]["status"]["default"]
    assert default == {"phase": "Pending", "ready": "0/1", "restarts": 0, "index": "Pending", "size": "Pending"}
    assert o.read_block({"metadata": {"name": "a"}, "spec": {"listRef": {"name": "b"}}, "status": default})
