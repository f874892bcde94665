"""The picture in the README is one, and needs nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import make_picture
import pytest

SVG = Path(make_picture.PICTURE).read_text("utf-8")


def test_the_picture_shows_a_run_interrupted_and_resumed() -> None:
    ET.fromstring(SVG)  # noqa: S314 - our own
    text = re.sub(r"<[^>]*>", "", SVG).replace("&#160;", " ")
    assert text.count("$ teamtask run") == 2
    assert "^C" in text
    assert "Going on with hosts: " in text


def test_the_picture_fetches_nothing() -> None:
    assert re.findall(r"(?:url|href)\W+\w+:", SVG) == []
    assert "@font-face" not in SVG


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        ("one\r\ntwo", ["one", "two"]),
        ("half\r\x1b[2Kwhole", ["whole"]),
        ("half\r\x1b[2Kabove\nhalf", ["above", "half"]),
        ("12345\rab", ["ab345"]),
    ],
)
def test_the_screen_holds_what_a_terminal_would_show(written: str, lines: list[str]) -> None:
    screen = make_picture.Screen()
    screen.write(written)
    assert screen.lines == lines
