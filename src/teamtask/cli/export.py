"""`export_results`: the results of a list into a file, which appears under its name when it is complete."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

from teamtask.ledger.errors import InvalidField, TeamtaskError
from teamtask.service.result_stream import Wanted, any_digits, result_lines
from teamtask.wire.result_lines import CSV_HEADER, as_json, csv_line, json_bytes, ndjson_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from teamtask.service.service import Service
    from teamtask.sources.source import Source
    from teamtask.stores.store import ListRecord
    from teamtask.wire.result_lines import ResultLine

FORMATS = ("csv", "ndjson", "json")


class NotExported(TeamtaskError):
    """The results cannot be written."""

    code = "not_exported"


def export_format(path: Path) -> str:
    """Give the format that a file's ending names. Raises InvalidField for any other."""
    ending = path.suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        raise InvalidField(
            f"The ending of {path.name!r:.80} names no format of results.",
            field="results",
            hint="Let the file's name end in .csv, .ndjson or .json.",
        )
    return ending


def check_export(path: Path) -> None:
    """Refuse a file that could not be written, before there is anything to write. Raises InvalidField, NotExported."""
    export_format(path)
    folder = path.absolute().parent
    if not folder.is_dir():
        raise NotExported(f"There is no folder {folder} for {path.name}.", field="results", hint="Make it first.")
    if path.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise NotExported(f"{path} cannot be written.", field="results", hint="Choose another file.")


def export_results(service: Service, record: ListRecord, source: Source[Any] | None, path: Path) -> None:
    """Write all results in order of index to a .csv, .ndjson or .json file.

    A file of that name is replaced, and only by a complete one; what is no ordinary file (a pipe) is written to.
    Raises InvalidField for another ending, NotExported, and UnreadableResult.
    """
    form = export_format(path)
    with service.view(record) as view, any_digits(), _replacing(path) as stream:
        for piece in pieces(result_lines(view, source, Wanted(view.ledger.start)), form):
            stream.write(piece)


def pieces(lines: Iterable[ResultLine], form: str) -> Iterator[bytes]:
    """Write results in a format, piece by piece."""
    if form == "json":
        yield from _json_pieces(lines)
        return
    if form == "csv":
        yield CSV_HEADER
    yield from map(csv_line if form == "csv" else ndjson_line, lines)


def _json_pieces(lines: Iterable[ResultLine]) -> Iterator[bytes]:
    before = b"["
    for line in lines:
        yield before + b"\n" + json_bytes(as_json(line))
        before = b","
    yield b"[]\n" if before == b"[" else b"\n]\n"


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    try:
        target = path.resolve()
        before = target.stat() if target.exists() else None
        if before is not None and not stat.S_ISREG(before.st_mode):
            with target.open("wb") as stream:
                yield stream
            return
        unfinished = target.with_name(f".{target.name[:100]}.{uuid4().hex[:8]}.unfinished")
        try:
            with unfinished.open("xb") as stream:
                if before is not None:
                    os.fchmod(stream.fileno(), stat.S_IMODE(before.st_mode))
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise NotExported(
            f"The results cannot be written to {path}: {error.strerror}.",
            hint="Name a file in a folder that you can write; `teamtask results` gives them at any time.",
        ) from error
