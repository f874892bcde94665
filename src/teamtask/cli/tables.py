"""`table`: aligned columns as kubectl has them; on a terminal they fit it, elsewhere nothing is cut."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from typing import TYPE_CHECKING

from teamtask.cli.text import compact, duration, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = 2
_SHRUNK = 10  # columns are cut down to so many characters; where that is not enough, cells stand one below the other
_PATIENCE_SECONDS = 1e10  # nobody reads the days of 300 years


class Layout:
    """How the rows of a table are laid out, as a sample of them shows; `width` is the terminal's.

    Where there is no terminal `width` is None and nothing is cut. Where columns do not fit even when they are cut, the
    cells of a row stand one below the other.
    """

    def __init__(self, columns: Sequence[str], sample: Sequence[Sequence[str]], width: int | None) -> None:
        self._columns = columns
        self._cuts = width is not None
        cells = [columns, *([cell(text) for text in row] for row in sample)]
        self._widths = [max(map(cell_width, column)) for column in zip(*cells, strict=True)]
        self._stacked = False
        if width is not None:
            available = width - GAP * (len(columns) - 1)
            _shrink(self._widths, available)
            self._stacked = sum(self._widths) > available

    def head(self) -> str:
        """Give the line with the names of the columns."""
        return "" if self._stacked else self.row(self._columns)

    def row(self, row: Sequence[str]) -> str:
        """Give the line, or lines, of one row."""
        cells = [cell(text) for text in row]
        if self._stacked:
            width = max(map(len, self._columns)) + GAP
            lines = (f"{name:{width}}{text}".rstrip() for name, text in zip(self._columns, cells, strict=True))
            return "\n".join([*lines, "\n"])
        if self._cuts:
            cells = [_cut(text, width) for text, width in zip(cells, self._widths, strict=True)]
        padded = [
            text + " " * (width + GAP - cell_width(text)) for text, width in zip(cells, self._widths, strict=True)
        ]
        return "".join(padded).rstrip() + "\n"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> str:
    """Give the lines of a table; `width` as in Layout."""
    layout = Layout(columns, rows, width)
    return layout.head() + "".join(map(layout.row, rows))


def _shrink(widths: list[int], available: int) -> None:
    """Make the widest columns narrower until all fit, or none can be made narrower."""
    while sum(widths) > available and max(widths) > _SHRUNK:
        widest = widths.index(max(widths))
        others = max((width for at, width in enumerate(widths) if at != widest), default=0)
        widths[widest] = max(_SHRUNK, min(widths[widest] - 1, others), widths[widest] - (sum(widths) - available))


def cell(text: str) -> str:
    """Give text for a cell: one line, nothing in it that moves a terminal's cursor."""
    return printable(text).replace("\n", "\\n")


def _cut(text: str, width: int) -> str:
    """Cut a text to so many columns of a terminal."""
    if cell_width(text) <= width:
        return text
    while text and cell_width(text) > width - 1:
        text = text[: width - 1 - cell_width(text)] if cell_width(text) > 2 * width else text[:-1]
    return text + "…"


def cell_width(text: str) -> int:
    """Count the columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def terminal_width() -> int | None:
    """Give the width of the terminal that stdout is, None if it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def percentage(done: int, size: int) -> str:
    """Give how much is done, "100 %" only of all of it; - of nothing."""
    if not size:
        return "-"
    tenths = done * 1000 // size
    return f"{tenths // 10} %" if tenths % 10 == 0 else f"{tenths // 10}.{tenths % 10} %"


def rate_text(rate: float) -> str:
    """Give items a second: 3.1M/s; - for none."""
    if rate >= 1e21:  # noqa: PLR2004 - beyond exa, whoever may have said so
        return f"{rate:.0e}/s"
    return f"{compact(round(rate, 1) if rate < 1000 else rate)}/s" if rate else "-"  # noqa: PLR2004 - above, no fractions


def seconds_text(seconds: float | None) -> str:
    """Give a time for a cell: 24s, 3m10s; - for an unknown one."""
    if seconds is None:
        return "-"
    return duration(seconds).replace(" ", "") if seconds < _PATIENCE_SECONDS else ">300y"
