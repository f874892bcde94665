"""`RunDisplay`: the output of commands, each whole, and one line of progress under it."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

from teamtask.cli.text import printable
from teamtask.cli.waiting_output import WaitingOutput
from teamtask.local.progress_line import ERASE, Pace, is_terminal, terminal_width
from teamtask.worker.captured_output import write_all
from teamtask.worker.placeholders import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from teamtask.cli.waiting_output import Span
    from teamtask.service.service import Progress
    from teamtask.worker.running_command import Finished

REFRESH_SECONDS: Final = 0.1
PLAIN_SECONDS: Final = 10.0  # how often there is a line where nobody looks at a terminal


class RunDisplay:
    """Writes output to stdout in order of completion (or of index), and progress to stderr."""

    def __init__(self, progress: Callable[[], Progress], *, tag: bool, keep_order: bool, quiet: bool) -> None:
        self._progress = progress
        self._tag, self._keep_order, self._quiet = tag, keep_order, quiet
        self._terminal = is_terminal()
        self._shown = False
        self._shown_at = time.monotonic()
        self._began_at = time.monotonic()
        self._pace = Pace(self._began_at, progress().done)
        self._waiting: dict[int, tuple[Span, Span, object]] = {}  # by sequence, with keep_order: stderr, stdout, item
        self._waiting_output = WaitingOutput()
        self._next_sequence = 1
        self.trouble: str | None = None  # why output cannot be written, as a sentence
        self.stop: Callable[[], None] = lambda: None  # what to do then

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sequence in sorted(self._waiting):
            self._show_waiting(sequence)
        self._waiting_output.close()
        self._erase()

    @property
    def seconds(self) -> float:
        """How long this process has worked."""
        return time.monotonic() - self._began_at

    def finished(self, index: int, item: object, finished: Finished[Any]) -> None:  # noqa: ARG002 - Watcher's
        """Write what a command wrote, or keep it until those begun before have ended."""
        if self._quiet:
            return
        if not self._keep_order:
            self._show(finished.stderr.chunks(), finished.stdout.chunks(), item)
            return
        sequence = finished.tag.sequence
        if sequence == self._next_sequence:
            self._show(finished.stderr.chunks(), finished.stdout.chunks(), item)
            self._next_sequence += 1
        elif self.trouble is None:
            self._keep(sequence, finished, item)
        while self._next_sequence in self._waiting:
            self._show_waiting(self._next_sequence)
            self._next_sequence += 1

    def _keep(self, sequence: int, finished: Finished[Any], item: object) -> None:
        try:
            stderr = self._waiting_output.put(finished.stderr.chunks())
            self._waiting[sequence] = (stderr, self._waiting_output.put(finished.stdout.chunks()), item)
        except OSError as error:
            self._stop(f"Output that waits for its turn cannot be kept in a temporary file ({error.strerror})")

    def _show_waiting(self, sequence: int) -> None:
        stderr, stdout, item = self._waiting.pop(sequence)
        self._show(self._waiting_output.chunks(stderr), self._waiting_output.chunks(stdout), item)
        for _ in (stderr, stdout):
            self._waiting_output.drop()

    def _show(self, stderr: Iterable[bytes], stdout: Iterable[bytes], item: object) -> None:
        if self.trouble is not None:
            return
        with suppress(OSError):  # who does not read messages does not end the work
            self._write(2, stderr, item)
        try:
            self._write(1, stdout, item)
        except OSError as error:
            self._stop(f"stdout cannot be written ({error.strerror})")

    def _stop(self, trouble: str) -> None:
        self.trouble = trouble
        self.stop()

    def tick(self, running: int) -> None:
        """Show progress, if it is time."""
        now = time.monotonic()
        if now - self._shown_at < (REFRESH_SECONDS if self._terminal else PLAIN_SECONDS):
            return
        self._shown_at = now
        line = self._line(now, running)
        if self._terminal:
            self._say(ERASE + line[: terminal_width() - 1])
            self._shown = True
        else:
            self._say(f"teamtask:{line}\n")

    def _line(self, now: float, running: int) -> str:
        return self._pace.line(self._progress(), running, now, bar=self._terminal)

    def _erase(self) -> None:
        if self._shown:
            self._say(ERASE)
            self._shown = False

    def _say(self, text: str) -> None:
        with suppress(OSError, ValueError):  # a terminal that is gone ends nobody's work
            sys.stderr.write(text)
            sys.stderr.flush()

    def _write(self, descriptor: int, chunks: Iterable[bytes], item: object) -> None:
        tag = tag_of(item) if self._tag else b""
        at_start = True
        for chunk in chunks:
            self._erase()
            write_all(descriptor, tagged(chunk, tag, at_start=at_start) if tag else chunk)
            at_start = chunk.endswith(b"\n")


def tag_of(item: object) -> bytes:
    """Give what begins each line of an item's output: the item on one line, and a tab."""
    text = " ".join(map(text_of, item)) if isinstance(item, list | tuple) else text_of(item)
    return printable(text).replace("\n", "\\n").encode("utf-8", "backslashreplace") + b"\t"


def tagged(chunk: bytes, tag: bytes, *, at_start: bool) -> bytes:
    r"""Put a tag before each line of a part of some output; lines end in \n and in nothing else."""
    ends = chunk.endswith(b"\n")
    lines = (chunk[:-1] if ends else chunk).replace(b"\n", b"\n" + tag)
    return (tag if at_start else b"") + lines + (b"\n" if ends else b"")
