"""`LineSplitter`: lines out of bytes that come in any pieces; `NdjsonSplitter`: texts, one as JSON a line."""

from __future__ import annotations

from typing import Final

import msgspec

from teamtask.ledger.errors import InvalidSource

LINE_BYTES_MAX: Final = 1 << 26


class LineSplitter:
    """Lines without their ends, which are newlines, CRLF or, of the last one, nothing.

    Blank ones are left out and counted in `blank`. With a NUL as separator, newlines and blanks are part of the items,
    and only an empty one is left out; with `keep_empty` not even that.
    """

    def __init__(self, separator: bytes = b"\n", *, keep_empty: bool = False) -> None:
        self._separator = separator
        self._keep_empty = keep_empty
        self._begun: list[bytes] = []  # of a line whose end has not come
        self._begun_bytes = 0
        self.blank = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; give the lines that have ended. Raises InvalidSource for a line beyond 64 MiB."""
        if self._separator not in data:
            self._begun.append(data)
            self._begun_bytes += len(data)
            if self._begun_bytes > LINE_BYTES_MAX:
                raise InvalidSource(
                    f"There is a line of more than {LINE_BYTES_MAX >> 20} MiB.",
                    field="items",
                    hint="Is it a list, one item a line? With -0, items end in NUL.",
                )
            return []
        lines = b"".join([*self._begun, data]).split(self._separator)
        self._begun = [lines.pop()]
        self._begun_bytes = len(self._begun[0])
        return self._wanted(lines)

    def finish(self) -> list[bytes]:
        """Give the last line, if it had no end."""
        last = b"".join(self._begun)
        self._begun, self._begun_bytes = [], 0
        return self._wanted([last]) if last else []

    def _wanted(self, lines: list[bytes]) -> list[bytes]:
        if self._keep_empty:
            return lines
        if self._separator == b"\n":
            lines = [line[:-1] if line.endswith(b"\r") else line for line in lines]
            found = [line for line in lines if line and not line.isspace()]
        else:
            found = [line for line in lines if line]
        self.blank += len(lines) - len(found)
        return found


class NdjsonSplitter(LineSplitter):
    """The items of newline-delimited JSON, each a text."""

    def __init__(self) -> None:
        super().__init__()
        self._decode = msgspec.json.Decoder(str).decode
        self._number = 0

    def _wanted(self, lines: list[bytes]) -> list[bytes]:
        found = []
        for line in super()._wanted(lines):
            self._number += 1
            try:
                found.append(self._decode(line).encode())
            except (msgspec.MsgspecError, UnicodeError) as error:
                message = f"Item {self._number} is no JSON text: {error}."
                raise InvalidSource(message, field="items", hint='One a line, for example "host-a".') from error
        return found
