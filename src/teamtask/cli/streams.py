"""`prepare_streams`: stdin, stdout and stderr as a command needs them, whatever they were given as."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Any, Final

from teamtask.worker.captured_output import write_all

# A closed descriptor would be given to the next file that is opened, and output be written into that. As gnulib's
# stdopen does, it is opened the wrong way round, so that whoever uses it gets the error of a closed one.
_WRONG_WAY: Final = {0: os.O_WRONLY, 1: os.O_RDONLY, 2: os.O_RDONLY}


class LossyFile(io.FileIO):
    """A file that takes whatever is written, also where nobody reads it any more."""

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - bytes of any kind
        """Write all of it, or what can be written."""
        size = memoryview(data).nbytes
        with suppress(OSError):
            write_all(self.fileno(), bytes(data))
        return size


def prepare_streams() -> None:
    """Keep 0, 1 and 2 from being other files, and let no message end the work because nobody reads it."""
    for descriptor, flags in _WRONG_WAY.items():
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, flags)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - it stays open as long as we run
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - as above
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        raw: Any = LossyFile(2, "w", closefd=False)
        encoding = sys.stderr.encoding if sys.stderr is not None else "utf-8"
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(raw), encoding=encoding, errors="backslashreplace", line_buffering=True
        )


def drop_output() -> None:
    """Forget what stdout still holds after an error, so that it is not written, and no error said, once more."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
