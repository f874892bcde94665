"""Fingerprints are pinned: one that changes would turn every running list into a stranger."""

from __future__ import annotations

import pytest

from teamtask import sources

PINNED: dict[str, tuple[dict[str, object], str]] = {
    "range": ({"kind": "range", "start": 2, "stop": 1000000000}, "a279d82f3a588e57e3f0e10388ef2b58"),
    "range down": ({"kind": "range", "start": 10**60, "stop": -5, "step": -3}, "cb7c949719a64c715c3a41de293d5f5f"),
    "strings": ({"kind": "strings", "alphabet": "abc", "length": 3}, "be9db79f278552aa5ab89d806e2de03a"),
    "strings of several lengths": (
        {"kind": "strings", "alphabet": "aä😀", "min_length": 0, "max_length": 9},
        "fefa8c3eeb3da1822939ba9cba368e0c",
    ),
    "permutations": ({"kind": "permutations", "items": "abc"}, "ae3d77ceaf131b03b7919ec0126f3325"),
    "permutations of values": (
        {"kind": "permutations", "items": ["a", 1, 1.5, None, True, [10**30], {"b": 1, "a": 2}]},
        "b224523812bc29510d3a730327950035",
    ),
    "combinations": ({"kind": "combinations", "items": "abcd", "k": 2}, "8b655362a2c7be27a4c4c143223617ad"),
    "product": (
        {"kind": "product", "axes": [["rate", [0.1, 0.2]], ["depth", [1, 2, 3]]]},
        "936823242c9ef07874b6450acd7caeea",
    ),
    "mask": ({"kind": "mask", "alphabets": ["ABC", "0123456789"]}, "85b7a2d4da7a59d8e05054d8bae1cd5e"),
    "lines": (
        {"kind": "lines", "items": ["host-a", "", "\udcff\x00", "grün"]},
        "4:1b20ecc70ec0c943bbd5f969af5dac41",
    ),
    "shuffled": (
        {"kind": "range", "start": 2, "stop": 1000000000, "shuffle": 7},
        "babe17c9360184c2d4fb3b2d698f39ea",
    ),
    "shuffled by text": (
        {"kind": "mask", "alphabets": ["ABC", "0123456789"], "shuffle": "grün"},
        "64ff5cf0138d7a1354415e54db1c6948",
    ),
}


@pytest.mark.parametrize(("definition", "fingerprint"), PINNED.values(), ids=PINNED.keys())
def test_a_fingerprint_never_changes(definition: dict[str, object], fingerprint: str) -> None:
    assert sources.source_from_definition(definition).fingerprint == fingerprint


def test_the_fingerprint_of_plain_objects_never_changes() -> None:
    objects = [1, "a", 2.5, None, True, b"x", (1, [2]), {"k": {3, 1}}, 10**5_000]
    assert sources.as_source(objects).fingerprint == "272ea1cfa82e007b90665f5f1dff163e"


def test_a_range_that_grows_keeps_its_fingerprint() -> None:
    assert sources.range(2, 10, 3).fingerprint == sources.range(2, 10**30, 3).fingerprint
    assert len({sources.range(*bounds).fingerprint for bounds in ((2, 10, 3), (2, 10, 1), (1, 10, 3))}) == 3


def test_a_shuffled_range_of_another_size_is_another_list() -> None:
    shuffled = [sources.shuffled(sources.range(size), 1) for size in (10, 11)]
    assert shuffled[0].fingerprint != shuffled[1].fingerprint


def test_the_same_rule_in_other_words_has_the_same_fingerprint() -> None:
    one = sources.source_from_definition({"kind": "strings", "alphabet": "abc", "min_length": 3, "max_length": "3"})
    assert one.fingerprint == sources.strings("abc", length=3).fingerprint


def test_text_and_a_list_of_its_characters_are_not_the_same() -> None:
    assert sources.permutations("abc").fingerprint != sources.permutations([*"abc"]).fingerprint
    assert sources.combinations("abc", 2).fingerprint != sources.combinations([*"abc"], 2).fingerprint
