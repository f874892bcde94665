"""Words as a shell can be given them again."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.cli.shell_text import shell_text

BASH = shutil.which("bash")
words = st.lists(st.binary(max_size=12).map(lambda raw: os.fsdecode(raw.replace(b"\0", b"x"))), max_size=12)


@pytest.mark.skipif(BASH is None, reason="there is no bash here to read it")
@given(words)
def test_bash_reads_what_was_written(words: list[str]) -> None:
    assert BASH is not None
    text = shell_text(words)
    assert text.isprintable()
    done = subprocess.run([BASH, "-c", f"printf '%s\\0' start {text}"], capture_output=True, check=True)
    assert done.stdout.split(b"\0")[1:-1] == [os.fsencode(word) for word in words]


def test_plain_words_stay_plain() -> None:
    assert shell_text(["run", "a b", "x{}"]) == "run 'a b' 'x{}'"
