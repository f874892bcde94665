"""Whatever bytes a parser is given, it takes them and they come back, or it refuses them with a sentence.

The short form of `make fuzz`, for every machine: what is known to be worth trying, and chance changes of it.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from targets import TARGETS, taken

HERE = Path(__file__).parent
CORPUS = {name: [path.read_bytes() for path in sorted((HERE / "corpus" / name).iterdir())] for name in TARGETS}
WORDS = [
    ast.literal_eval("b" + line) for line in (HERE / "words.dict").read_text().splitlines() if line.startswith('"')
]
SAMPLES = [b"", b"\xff", b"[" * 5_000, b"9" * 5_000, b"{" + b"9" * 5_000 + b"}", b'"\\ud800"', b"\xc1", b"\xed\xa0\x80"]


@st.composite
def changed(draw: st.DrawFn, name: str) -> bytes:
    """Something from the corpus with parts of it replaced by words, by parts of others, or by any bytes."""
    data = draw(st.sampled_from(CORPUS[name]))
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(data)))
        end = draw(st.integers(begin, min(len(data), begin + 20)))
        others = st.sampled_from(CORPUS[name]).flatmap(
            lambda other: st.integers(0, len(other)).map(lambda at: other[at : at + 20])
        )
        data = data[:begin] + draw(st.sampled_from(WORDS) | others | st.binary(max_size=5)) + data[end:]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_known_to_be_worth_trying_is_taken_or_refused(name: str) -> None:
    kept = [taken(name, data) for data in CORPUS[name]]
    assert any(kept), "not everything is refused"
    for start in (b"", *(bytes([choice]) for choice in range(8))):
        for sample in SAMPLES:
            taken(name, start + sample)


@pytest.mark.parametrize("name", TARGETS)
def test_any_change_of_it_is_taken_or_refused(name: str) -> None:
    @settings(max_examples=2 * settings().max_examples)
    @given(changed(name) | st.binary(max_size=50))
    def try_any(data: bytes) -> None:
        taken(name, data)

    try_any()
