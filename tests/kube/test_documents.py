"""What the API server sends is read, however deeply somebody nested it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.kube import documents
from teamtask.kube.documents import decoded, is_deep

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}")])
def test_what_is_nested_too_deeply_takes_nothing_else_with_it(begin: str, end: str) -> None:
    deep = begin * 5_000 + "1" + end * 5_000
    found = decoded(f'{{"items": [{{"name": "bad]}}", "value": {deep}, "after": 1}}, {{"name": "good"}}]}}'.encode())
    assert [one["name"] for one in found["items"]] == ["bad]}", "good"]
    assert found["items"][0]["after"] == 1
    assert not is_deep(found["items"][0]["value"][0]) if begin == "[" else True


@given(JSON)
def test_what_is_cut_is_what_is_deeper_and_nothing_else(value: Any) -> None:
    assert json.loads(documents._shallow(json.dumps(value).encode())) == value
    assert decoded(json.dumps(value).encode()) == value


def test_depth_is_told() -> None:
    value: Any = 1
    for _ in range(documents.DEPTH_MAX):
        value = [value, 2]
    assert not is_deep(value)
    assert is_deep([value])
