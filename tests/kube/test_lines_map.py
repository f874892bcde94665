"""The lines of a list that a ConfigMap has."""

from __future__ import annotations

from typing import Any

import pytest

from teamtask.kube.lines_map import LinesMapRefused, LinesPlace, lines_place, source_of_map
from teamtask.ledger.errors import InvalidSource
from teamtask.sources import source_from_definition

HOSTS = LinesPlace("hosts", None)


def a_map(immutable: bool | None = True, **data: str) -> dict[str, Any]:  # noqa: FBT001, FBT002 - the field's own value
    return {"kind": "ConfigMap", "metadata": {"name": "hosts"}, "immutable": immutable, "data": data}


def items(document: dict[str, Any], place: LinesPlace = HOSTS) -> list[str]:
    source = source_of_map(document, place)
    return list(source.items(0, source.size))


def test_any_other_source_names_no_place() -> None:
    for source in ({"kind": "range", "stop": 3, "configMap": "a"}, {"kind": "lines", "items": ["a"]}, {}):
        assert lines_place(source) is None


def test_a_source_names_a_config_map_and_what_goes_with_it() -> None:
    assert lines_place({"kind": "lines", "configMap": "hosts"}) == HOSTS
    full = {"kind": "lines", "configMap": "hosts.v1", "key": "eu.txt", "shuffle": "a", "items": None}
    assert lines_place(full) == LinesPlace("hosts.v1", "eu.txt", "a")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"configMap": "../secrets/token"}, "no name of a ConfigMap"),
        ({"configMap": "a/b"}, "no name of a ConfigMap"),
        ({"configMap": "a?watch=1"}, "no name of a ConfigMap"),
        ({"configMap": ".."}, "no name of a ConfigMap"),
        ({"configMap": "a\n"}, "no name of a ConfigMap"),
        ({"configMap": ""}, "no name of a ConfigMap"),
        ({"configMap": "a" * 254}, "no name of a ConfigMap"),
        ({"configMap": ["hosts"]}, "no name of a ConfigMap"),
        ({"configMap": "hosts", "items": ["a"]}, "configMap or items, and not both"),
        ({"configMap": "hosts", "count": 3}, "configMap or count"),
        ({"configMap": "hosts", "key": 3}, "is text"),
        ({"configMap": "hosts", "shuffle": True}, "number or text"),
    ],
)
def test_what_is_no_place_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSource, match=said) as error:
        lines_place({"kind": "lines", **fields})
    assert error.value.hint


@pytest.mark.parametrize("text", ["a\nb\n", "a\nb", "a\r\nb\r\n", "\n a\n\n".replace(" ", "") + "  \nb"])
def test_lines_are_read_as_those_of_a_file(text: str) -> None:
    assert items(a_map(any=text)) == ["a", "b"]


def test_only_newlines_end_a_line() -> None:
    assert items(a_map(any="a\x0bb\u2028c\x85d\ré\n")) == ["a\x0bb\u2028c\x85d\ré"]


def test_the_same_lines_have_the_same_fingerprint_wherever_they_are() -> None:
    inline = source_from_definition({"kind": "lines", "items": ["a", "b"], "shuffle": 7})
    found = source_of_map(a_map(any="a\nb"), LinesPlace("hosts", None, 7))
    assert (found.fingerprint, list(found.items(0, 2))) == (inline.fingerprint, list(inline.items(0, 2)))


def test_one_of_several_keys_is_named() -> None:
    assert items(a_map(one="a", other="b"), LinesPlace("hosts", "other")) == ["b"]


@pytest.mark.parametrize(
    ("document", "key", "said", "hint"),
    [
        (a_map(immutable=None, any="a"), None, "may change", "immutable"),
        (a_map(immutable=False, any="a"), None, "may change", "immutable"),
        (a_map(), None, "has no lines", "one item a line"),
        (a_map(any="\n  \n"), None, "has no lines", "one item a line"),
        (a_map(one="a", other="b"), None, "has 2 keys", "one, other"),
        (a_map(one="a", other="b"), "third", "has no key 'third'", "one, other"),
        (a_map(), "third", "has no key 'third'", "one item a line"),
        ({"immutable": True, "binaryData": {"any": "/w=="}}, None, "no text in UTF-8", "one item a line"),
        ({"immutable": True, "data": {"a": "a"}, "binaryData": {"any": "/w=="}}, None, "has 2 keys", "a, any"),
    ],
)
def test_a_config_map_that_cannot_be_used_says_why(
    document: dict[str, Any], key: str | None, said: str, hint: str
) -> None:
    with pytest.raises(LinesMapRefused, match=said) as error:
        source_of_map(document, LinesPlace("hosts", key))
    assert hint in (error.value.hint or "")
