"""`BlockReport`: the file in which a command says what it has done of its block, line by line.

result INDEX JSON   the outcome of an item
upto INDEX          everything below is done
fold JSON           the fold of what is done since the last fold, or of the whole block
"""

from __future__ import annotations

import json
import math
import shutil
import stat
from typing import TYPE_CHECKING, Any, Final, Never

import msgspec

from teamtask.ledger.errors import TeamtaskError
from teamtask.ledger.rules import DIGITS_MAX
from teamtask.wire.limits import RESULTS_MAX
from teamtask.wire.result_batch import ResultBatch, pack_encoded
from teamtask.worker.port import MESSAGE_BYTES_MAX, digits_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINE_BYTES_MAX: Final = 10_000_000
PIECE_BYTES: Final = 1_048_576  # of the file, read at once
SHOWN_BYTES: Final = 80

Told = tuple[int, int, ResultBatch | None, Any]  # from, upto, results, fold


class InvalidReport(TeamtaskError):
    """A command wrote something into its report that is none."""

    code = "invalid_report"
    hint = "Lines are: result INDEX JSON, upto INDEX, fold JSON."


class BlockReport:
    """Reads the report of the block [index, stop) as it grows; `upto` is how far it was told to be done.

    After the first thing that is no report nothing more is read; `invalid` says what it was.
    """

    def __init__(self, path: Path, index: int, stop: int, *, fold: bool) -> None:
        self.path = path
        self.upto = index
        self.invalid: InvalidReport | None = None
        self._index = index
        self._stop = stop
        self._fold = fold
        self._read_bytes = 0
        self._rest = b""  # of a line that is not whole yet
        self._line_number = 0
        self._results: dict[int, bytes] = {}  # as JSON
        self._told_upto = index

    def read(self) -> list[Told]:
        """Give what can be reported since the last time, of at most 1 MiB of the file."""
        for piece in self._pieces():
            return self._of_piece(piece)
        return []

    def finish(self, *, ok: bool) -> list[Told]:
        """Give all that is left to be reported of a command that has ended; with `ok` it has done all of its block."""
        told: list[Told] = []
        for piece in self._pieces():
            told += self._of_piece(piece)
            if self.invalid is not None:
                break
        last, self._rest = self._rest, b""
        if ok and last and self.invalid is None:  # of a command that failed it may be half a line
            told += self._of_lines([last])
        if ok and self.upto < self._stop and self.invalid is None:
            if self._fold:
                self.invalid = InvalidReport("The command ended without a fold of its whole block.")
            else:
                self._told_upto = self._stop
                told += self._section()
        return told

    def remove(self) -> None:
        """Delete the file, and whatever else the command put in its place."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError:
            shutil.rmtree(self.path, ignore_errors=True)

    def _pieces(self) -> Iterator[bytes]:
        """Read what the file holds beyond what was read, and no more: something may write for ever."""
        if self.invalid is not None:
            return
        try:
            status = self.path.stat()
            if not stat.S_ISREG(status.st_mode):
                self.invalid = InvalidReport("The report is not a file.")
            elif status.st_size < self._read_bytes:
                self.invalid = InvalidReport("The report became shorter.", hint="Append to it: >> in a shell, not >.")
            elif status.st_size > self._read_bytes:
                with self.path.open("rb") as file:
                    file.seek(self._read_bytes)
                    while self._read_bytes < status.st_size:
                        piece = file.read(min(PIECE_BYTES, status.st_size - self._read_bytes))
                        if not piece:
                            return
                        self._read_bytes += len(piece)
                        yield piece
        except FileNotFoundError:
            return
        except OSError as error:
            self.invalid = InvalidReport(f"The report cannot be read: {error.strerror}.")

    def _of_piece(self, piece: bytes) -> list[Told]:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        told = self._of_lines(lines)
        if self.invalid is None and len(self._rest) > LINE_BYTES_MAX:
            number = self._line_number + 1
            self.invalid = InvalidReport(f"Line {number} of the report has more than {LINE_BYTES_MAX:,} bytes.")
        return told

    def _of_lines(self, lines: list[bytes]) -> list[Told]:
        told: list[Told] = []
        for line in lines:
            self._line_number += 1
            try:
                told += self._of_line(line)
            except (ValueError, RecursionError, OverflowError) as error:
                shown = line[:SHOWN_BYTES].decode("utf-8", "replace")
                self.invalid = InvalidReport(f"Line {self._line_number} of the report, {shown!r}: {_reason(error)}.")
                break
        return told if self._fold else told + self._section()

    def _of_line(self, line: bytes) -> list[Told]:
        word, _, rest = line.partition(b" ")
        if word == b"result":
            index, _, value = rest.partition(b" ")
            self._results[self._checked(index, self.upto if self._fold else self._told_upto)] = _encode(_value(value))
        elif word == b"upto":
            self._told_upto = max(self._told_upto, self._checked(rest, self._index, past=1))
        elif word == b"fold" and self._fold:
            if self.upto == self._stop:
                raise ValueError("all of the block was in a fold already")
            fold = _value(rest)
            if fold is None:
                raise ValueError("null is no fold")
            _encode(fold)  # so that it can be kept
            if self._told_upto == self.upto:
                self._told_upto = self._stop
            return self._section(fold)
        elif line.strip():
            raise ValueError("the list has no fold" if word == b"fold" else "that is no line of a report")
        return []

    def _section(self, fold: object = None) -> list[Told]:
        """Close what is done since the last section; without a fold that holds it together, in parts if it is large."""
        begin, self.upto = self.upto, self._told_upto
        if begin == self.upto:
            return []
        told: list[Told] = []
        indices = sorted(index for index in self._results if index < self.upto)
        first = size = 0
        for position, index in enumerate(indices):
            more = digits_of(index) + len(self._results[index])
            size += more
            if fold is None and position > first and (size > MESSAGE_BYTES_MAX or position - first == RESULTS_MAX):
                told.append((begin, index, self._batch(indices[first:position]), None))
                begin, first, size = index, position, more
        return [*told, (begin, self.upto, self._batch(indices[first:]), fold)]

    def _batch(self, indices: list[int]) -> ResultBatch | None:
        values = b"[" + b",".join([self._results.pop(index) for index in indices]) + b"]"
        return pack_encoded(indices, values) if indices else None

    def _checked(self, text: bytes, low: int, past: int = 0) -> int:
        digits = text.strip()
        if not digits.isdigit() or len(digits) > DIGITS_MAX:
            raise ValueError(f"{digits[:SHOWN_BYTES].decode('utf-8', 'replace')!r} is no index")
        index = int(digits)
        if not low <= index < self._stop + past:
            raise ValueError(f"{index} is not in what is left of the block, {low} to {self._stop - 1}")
        return index


def _integer(text: str) -> int:
    if len(text) > DIGITS_MAX + 1 or len(text.lstrip("-")) > DIGITS_MAX:
        raise ValueError(f"an integer has {DIGITS_MAX:,} digits at most")
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:SHOWN_BYTES]} is no finite number")
    return number


def _no_number(text: str) -> Never:
    raise ValueError(f"{text} is no JSON")


_encode = msgspec.json.Encoder().encode
# The standard decoder: it keeps integers exact, and what is no number can be named.
_decode = json.JSONDecoder(parse_int=_integer, parse_float=_float, parse_constant=_no_number).decode


def _value(text: bytes) -> Any:  # noqa: ANN401 - any JSON
    return _decode(text.decode())


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeError):
        return "it is no Unicode text"
    if isinstance(error, json.JSONDecodeError):
        return f"it is no JSON ({error.msg})"
    return str(error)
