"""`say_data` to stdout, `say` to stderr, and `watch`, which shows the same thing again and again."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from teamtask.cli.tables import cell, cell_width
from teamtask.cli.text import printable
from teamtask.wire.result_lines import json_bytes
from teamtask.wire.views import Page, wire_form

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

WATCH_SECONDS = 1.0


def say_data(text: str) -> None:
    """Write text to stdout, whatever the terminal's encoding can show."""
    click.echo(text.encode(sys.stdout.encoding or "utf-8", "backslashreplace"), nl=False)


def say(message: str) -> None:
    """Write a message to stderr."""
    click.echo(printable(message).encode(sys.stderr.encoding or "utf-8", "backslashreplace"), err=True)


def json_text(value: Any) -> str:  # noqa: ANN401 - any message
    """Give a message of the API as a line of JSON."""
    return json_bytes(wire_form(value)).decode() + "\n"


def page_text(items: Iterable[Any]) -> str:
    """Give all of some messages of the API as its page of them."""
    return json_text(Page(tuple(items)))


def names_text(names: Iterable[str]) -> str:
    """Give names, one a line: as they are to a script, without control characters to a terminal."""
    return "".join(f"{cell(name) if sys.stdout.isatty() else name}\n" for name in names)


def watch(draw: Callable[[], tuple[str, bool]]) -> None:
    """Show what `draw` gives, every second, until it says True, or Ctrl-C.

    A terminal shows it in one place; elsewhere it is written again when it has changed.
    """
    shown, height = "", 0
    try:
        while True:
            text, finished = draw()
            if sys.stdout.isatty():
                size = shutil.get_terminal_size()
                text = _top(text, size.lines - 1, size.columns)
                say_data((f"\x1b[{height}A" if height else "") + "\r\x1b[J" + text)
                height = _height(text, size.columns)
            elif text != shown:
                say_data(text)
                shown = text
            sys.stdout.flush()
            if finished:
                return
            time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        return


def _height(text: str, columns: int) -> int:
    return sum(max(1, -(-cell_width(line) // columns)) for line in text.splitlines())


def _top(text: str, lines: int, columns: int) -> str:
    """Give as much of a text as a terminal can redraw."""
    found, left = [], max(1, lines)
    for line in text.splitlines(keepends=True):
        left -= _height(line, columns)
        if left < 0:
            break
        found.append(line)
    return "".join(found)
