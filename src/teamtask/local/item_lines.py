"""`ItemLines`: the lines of a run, as they are now: kept once, and compared with what was kept the last time."""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

from teamtask.ledger.errors import InvalidSource, TeamtaskError
from teamtask.local.line_input import LineReader
from teamtask.service.list_source import Upload, keep_lines, line_reader, new_upload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.ledger.ids import ListId
    from teamtask.local.run_request import RunRequest
    from teamtask.service.service import Service


class RunChanged(TeamtaskError):
    """This run was begun with something else."""

    code = "run_changed"


class ItemLines:
    """The lines of an open stream; to be gone through once."""

    def __init__(self, reader: LineReader, name: str) -> None:
        """Read as far as the first line. Raises InvalidSource when there is none."""
        self._reader = reader
        self._batches = reader.batches()
        first = next(self._batches, None)
        if first is None:
            raise InvalidSource(f"There are no items in {name}.", field="items", hint="One item a line is expected.")
        self._batches = chain([first], self._batches)

    @property
    def blank(self) -> int:
        """How many blank lines were skipped so far."""
        return self._reader.blank

    def lines(self) -> Iterator[bytes]:
        """Go through the lines."""
        return chain.from_iterable(self._batches)

    def upload(self, service: Service) -> Upload:
        """Keep the lines, a megabyte in a transaction."""
        return keep_lines(service.store, self._batches)

    def compare(self, service: Service, list_id: ListId, name: str, size: int) -> Upload | None:
        """Compare with the lines that a list of `size` has; keep what was appended. Raises RunChanged."""
        upload, added, at = new_upload(), 0, 0
        kept = line_reader(service.store, list_id)(0, size)
        for batch in self._batches:
            known = list(islice(kept, len(batch)))
            if known != batch[: len(known)]:
                raise changed_lines(name, at + next(i for i, line in enumerate(known) if line != batch[i]))
            at += len(known)
            if new := batch[len(known) :]:
                with service.store.write() as writer:
                    writer.put_lines(upload, added, new)
                added += len(new)
        if at < size:
            raise changed_lines(name, at)
        return Upload(upload, added, "") if added else None


@contextmanager
def open_lines(request: RunRequest) -> Iterator[ItemLines | None]:
    """Open the lines of a request; None for a source. Raises InvalidSource, before anything is touched."""
    separator = request.separator.encode()
    if request.source is not None:
        yield None
    elif request.file == "-":
        if sys.stdin is None:
            raise InvalidSource("stdin is closed.", field="items", hint="Pipe the items in, or name a file.")
        yield ItemLines(LineReader(sys.stdin.buffer, separator), "stdin")
    elif request.file is not None:
        with _opened(request.file) as stream:
            yield ItemLines(LineReader(stream, separator), request.file)
    else:
        (arguments,) = request.arguments
        text = b"".join(os.fsencode(argument) + b"\0" for argument in arguments)
        yield ItemLines(LineReader(io.BytesIO(text), b"\0", keep_empty=True), ":::")


def changed_lines(name: str, index: int) -> RunChanged:
    """Say from where on the lines are others."""
    return RunChanged(
        f"The items of the run {name} are others than before, from index {index} on.",
        hint="Lines may only be added at the end. --fresh starts the run anew, another --name keeps both.",
    )


def _opened(file: str) -> IO[bytes]:
    try:
        if Path(file).is_dir():
            raise InvalidSource(
                f"{file} is a folder.", field="items", hint="Give a file with one item a line; ls -1 makes one."
            )
        return Path(file).open("rb")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "that is no name of a file"
        raise InvalidSource(
            f"{file} cannot be read: {reason}.", field="items", hint="Is the path right, and readable for you?"
        ) from error
