"""Who may work on a list, by its own word."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from objects_in_memory import Objects

ACCOUNT = {"kind": "ServiceAccount", "name": "worker"}
ELSEWHERE = {"kind": "ServiceAccount", "name": "worker", "namespace": "other"}
USER, GROUP = {"kind": "User", "name": "ann"}, {"kind": "Group", "name": "staff"}


@pytest.mark.parametrize(
    ("access", "holder", "groups", "may"),
    [
        ([], "anybody", [], True),
        ([USER], "ann", [], True),
        ([USER], "bob", ["ann"], False),
        ([USER], "group:ann", [], False),
        ([GROUP], "bob", ["staff"], True),
        ([GROUP], "staff", [], False),
        ([GROUP], "group:staff", [], False),
        ([USER, ACCOUNT], "system:serviceaccount:here:worker", [], True),
        ([ACCOUNT], "system:serviceaccount:other:worker", [], False),
        ([ELSEWHERE], "system:serviceaccount:other:worker", [], True),
        ([{"kind": "User", "name": "everyone"}], "bob", [], False),
        ([USER], "", [], False),
    ],
)
def test_only_those_who_are_named_are_given_work(
    access: list[dict[str, Any]], holder: str, groups: list[str], *, may: bool
) -> None:
    objects = Objects(source={"kind": "range", "stop": 10}, access=access)
    objects.worklist = replace(objects.worklist, metadata=replace(objects.worklist.metadata, namespace="here"))
    block = objects.create("one", holder)
    objects.blocks["one"] = replace(block, spec=replace(block.spec, holder_groups=groups))
    objects.reconcile()
    status = objects.blocks["one"].status
    assert (status.phase == "Ready") is may
    if not may:
        assert status.conditions[0].reason == "NotPermitted"
