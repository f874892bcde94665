"""`FunctionLoop`: calls a function for the items of pieces, in a process of its own, and sends what comes of them.

Items are worked in chunks that take about 5 ms, each at the speed of C, and sent when 10 ms have passed. A thread looks
after what waits longer, because the next item is slow: so it is with the parent soon, and kept, whatever happens here.
"""

from __future__ import annotations

import os
import pickle
import select
import sys
import time
from array import array
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from threading import Condition, Lock, Thread
from typing import TYPE_CHECKING, Any, Final

from teamtask.worker.channel import HungUp
from teamtask.worker.portable import dumped, pickled, portable_error, text_of_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from teamtask.worker.channel import Channel
    from teamtask.worker.function_folds import FoldOfResults
    from teamtask.worker.items import Items
    from teamtask.worker.piece_mark import PieceMark

CHUNK_SECONDS: Final = 0.005
SEND_SECONDS: Final = 0.01
_CHUNK_MAX = 1 << 17
_GROW_MAX = 8
_clock = time.monotonic


@dataclass(frozen=True)
class FunctionTask:
    """What every process of a run does.

    `source` is None when the items of all pieces come with them. With a `fold` only that is sent, and the exceptions.
    `exact`: where the process is can be seen from outside at every item (for a timeout).
    """

    function: Callable[[Any], Any]
    source: Items | None
    fold: FoldOfResults | None = None
    retries: int = 0
    exact: bool = False


@dataclass
class Piece:
    """A range [index, index + stop) that this process works; `exact` as above."""

    number: int
    index: int
    stop: int
    exact: bool
    items: bytes | None


_NO_PIECE = Piece(-1, 0, 0, exact=False, items=None)


class FunctionLoop:
    """Serves until the parent hangs up. One thread works, the other one listens and looks after what waits."""

    def __init__(self, channel: Channel, mark: PieceMark, task: FunctionTask) -> None:
        self._channel = channel
        self._mark = mark
        self._task = task
        self._function = task.function
        self._lock = Lock()  # of everything below, and of sending
        self._given = Condition(self._lock)
        self._waiting: deque[Piece] = deque()
        self._piece = _NO_PIECE
        self._chunk_size = 1  # items that take about CHUNK_SECONDS
        self._chunk: list[Any] = []  # in hand, from the offset `_at` of the piece on, since `_began`
        self._at = self._upto = 0  # before `_upto` nothing can be given to others any more
        self._began = 0.0
        self._left: list[Any] = []  # taken from the end of the chunk
        self._mean = 0.0  # seconds an item, in the last chunk
        # What is not sent yet: outcomes from the offset `_base` of the piece on, the first `_sent` of them sent.
        self._values: list[Any] = []
        self._failed: list[int] = []
        self._seconds = array("f")
        self._base = self._sent = 0
        self._since = 0.0  # it waits since then
        self._busy = 0.0  # seconds of work that the parent has not been told of
        self._hurry = False  # the thread is to look every 10 ms
        self._bell, self._rung = os.pipe()

    def serve(self) -> None:
        """Work pieces; what is wrong with the source or the fold is sent as it is."""
        Thread(target=self._watch, daemon=True).start()
        try:
            while True:
                with self._given:
                    while not self._waiting:
                        self._hurry = False
                        self._given.wait()
                    self._piece = piece = self._waiting.popleft()
                    self._at = self._upto = self._base = 0
                self._work(piece)
        except HungUp:
            return
        except Exception as error:  # noqa: BLE001 - the source's or the fold's, maybe foreign code
            with suppress(HungUp):
                self._send(("fatal", dumped(portable_error(error))))

    def _work(self, piece: Piece) -> None:
        items: Iterator[Any] = (
            self._task.source.items(piece.index, piece.stop)
            if self._task.source is not None and piece.items is None
            else iter(pickle.loads(piece.items or b""))  # noqa: S301 - from our parent
        )
        again: Iterator[Any] = iter(())  # what was taken from the end of a chunk
        at = 0
        while True:
            began = _clock()
            with self._lock:
                self._at, self._upto = at, min(at + self._chunk_size, piece.stop)
            size = self._upto - at
            chunk = list(islice(again, size))
            chunk += islice(items, size - len(chunk))
            if len(chunk) < size:
                raise RuntimeError("A source gave fewer items than it has.")
            if not chunk:
                break
            self._run(chunk, began)
            at += len(chunk)
            if self._left:
                again, self._left = iter([*self._left, *again]), []
        self._flush()
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # what the function printed: this may be the last that is heard of us
                stream.flush()
        with self._lock:
            self._piece = _NO_PIECE
            self._channel.send(("end", piece.number, at))

    def _run(self, chunk: list[Any], made_at: float) -> None:
        """Work a chunk whose items took time too, since `made_at`; the other thread may shorten it."""
        began = _clock()
        if not self._values:
            self._since = began
        with self._lock:
            self._chunk, self._began = chunk, began
        if len(chunk) > 1 and not self._hurry:
            self._hurry = True
            os.write(self._rung, b"!")
        if len(chunk) == 1 or self._piece.exact or self._task.exact:
            self._call_each(chunk, self._at)
        else:
            self._call_all(chunk)
        ended = _clock()
        took = ended - began
        with self._lock:
            self._chunk = []
            count = len(chunk)
            self._busy += ended - made_at
            missing = len(self._values) - len(self._seconds)
            if missing:
                told = (count - missing) * self._mean  # by the other thread, for a guess
                self._seconds.extend(_all_the_same(max(took - told, 0.0) / missing, missing))
        self._mean = took / count
        wanted = CHUNK_SECONDS * count / max(ended - made_at, 1e-9)
        self._chunk_size = max(1, min(int(wanted), _GROW_MAX * count, _CHUNK_MAX))
        if count == 1 or ended - self._since >= SEND_SECONDS:
            self._flush()

    def _call_all(self, chunk: list[Any]) -> None:
        values, function = self._values, self._function
        before = len(values)
        remaining = iter(chunk)
        while True:
            try:
                values.extend(map(function, remaining))  # what was appended stays when one raises
                position = len(values) - before
                if position == len(chunk):
                    return
                error: BaseException = StopIteration("raised by the function")  # which ends a map without a word
            except BaseException as raised:  # noqa: BLE001 - SystemExit too is what came of an item
                error = raised
                position = len(values) - before
            self._settle(chunk[position], error)

    def _call_each(self, chunk: list[Any], at: int) -> None:
        mark, function, seconds = self._mark, self._function, self._seconds
        for offset, item in enumerate(chunk, at):
            began = _clock()
            mark.begin(self._piece.number, offset, began)
            try:
                value = function(item)
            except BaseException as error:  # noqa: BLE001 - as above
                seconds.append(_clock() - began)
                self._settle(item, error)
            else:
                seconds.append(_clock() - began)
                self._values.append(value)
            mark.end()

    def _settle(self, item: object, error: BaseException) -> None:
        """Take an exception for the outcome of an item, unless the function does better when it is called again."""
        for _ in range(self._task.retries):
            self._mark.again(_clock())
            try:
                value = self._function(item)
            except BaseException as again:  # noqa: BLE001 - as above
                error = again
            else:
                self._values.append(value)
                return
        self._failed.append(len(self._values))
        self._values.append(portable_error(error))

    def _flush(self, *, late: bool = False) -> None:
        """Send what is done; `late` is for the thread, in the middle of a chunk."""
        with self._lock:
            first, last = self._sent, len(self._values)
            if last > first:
                missing = last - len(self._seconds)
                if missing > 0:
                    self._seconds.extend(_all_the_same(self._mean, missing))
                try:
                    messages = self._messages(first, last, late=late)
                except Exception:
                    if late:
                        return  # the other thread may be changing the values; it tries again
                    raise
                for message in messages:
                    self._channel.send(message)
                self._sent, self._busy = last, 0.0
            self._since = _clock()
            if not late:
                self._base += last
                self._sent = 0
                self._values.clear()
                self._failed.clear()
                del self._seconds[:]

    def _messages(self, first: int, last: int, *, late: bool) -> list[tuple[Any, ...]]:
        values = self._values[first:last]
        failed = [position - first for position in self._failed if first <= position < last]
        at, number, mean = self._base + first, self._piece.number, self._busy / (last - first)
        if self._task.fold is not None:
            return _folded(self._task.fold, values, failed, number, at, mean)
        seconds = self._seconds[first:last]
        return [
            ("kept", number, at + start, stop - start, mean, text, not_ok, seconds[start:stop].tobytes())
            for start, stop, text, not_ok in pickled(values, failed, strict=late)
        ]

    def _send(self, message: tuple[Any, ...]) -> None:
        with self._lock:
            self._channel.send(message)

    # --- the other thread

    def _watch(self) -> None:
        """Listen, send what waits too long, and end with the parent."""
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        poll.register(self._channel, select.POLLIN)
        try:
            while True:
                for descriptor, _ in poll.poll(SEND_SECONDS * 1000 if self._hurry else None):
                    if descriptor == self._bell:
                        os.read(self._bell, 64)
                    else:
                        self._listen()
                if self._hurry and _clock() - self._began >= SEND_SECONDS:
                    with self._lock:
                        self._shorten()
                if self._hurry and _clock() - self._since >= SEND_SECONDS:
                    self._flush(late=True)
        except HungUp:
            _end_all()

    def _listen(self) -> None:
        with self._given:
            for kind, *what in self._channel.receive():
                if kind == "work":
                    self._waiting.append(Piece(*what))
                    self._given.notify()
                else:
                    self._give_back(half=kind == "share")
        if self._channel.ended:
            raise HungUp

    def _give_back(self, *, half: bool) -> None:
        """Give back what is not begun, of the piece in hand all or half of it."""
        for piece in self._waiting:
            self._channel.send(("end", piece.number, 0))
        self._waiting.clear()
        self._shorten()
        piece = self._piece
        left = piece.stop - self._upto
        if left > 0:
            piece.stop = self._upto + (left // 2 if half else 0)
            self._channel.send(("shrunk", piece.number, piece.stop))

    def _shorten(self) -> None:
        """Have the chunk in hand end with the item in hand: the items have become slow, and others may want the rest.

        The other thread goes through the list that is shortened here. While this thread has the interpreter, it has
        taken one item more from it than it has outcomes, so what is cut off has not been begun.
        """
        chunk = self._chunk
        begun = self._base + len(self._values) - self._at + 1
        if 0 < begun < len(chunk):
            self._left = chunk[begun:]
            del chunk[begun:]
            self._upto = self._at + begun


def _folded(
    fold: FoldOfResults, values: list[Any], failed: list[int], number: int, at: int, mean: float
) -> list[tuple[Any, ...]]:
    """Give the folds of what lies between the items that failed, or that the fold cannot take, and their errors."""
    errors: dict[int, BaseException] = {position: values[position] for position in failed}
    folds = {}
    for start, stop in _between(failed, len(values)):
        folds[start, stop], refused = fold.of(values[start:stop])
        errors.update((start + position, portable_error(error)) for position, error in refused)
    messages: list[tuple[Any, ...]] = []
    positions = sorted(errors)
    for start, stop in _between(positions, len(values)):
        value = folds[start, stop] if (start, stop) in folds else fold.of(values[start:stop])[0]
        messages.append(("folded", number, at + start, stop - start, mean, dumped(value)))
    messages += [
        ("refused", number, at + position, text_of_error(errors[position]), dumped(errors[position]))
        for position in positions
    ]
    return sorted(messages, key=itemgetter(2))


def _between(positions: list[int], count: int) -> list[tuple[int, int]]:
    """Give the ranges of [0, count) without these positions."""
    stops = [*positions, count]
    starts = [0, *(position + 1 for position in positions)]
    return [(start, stop) for start, stop in zip(starts, stops, strict=True) if start < stop]


def _all_the_same(value: float, count: int) -> array[float]:
    return array("f", (value,)) * count


def _end_all() -> None:
    """The parent was killed: whoever goes on works this item anew, so nothing of it may go on here."""
    with suppress(OSError):
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), 9)
    os._exit(1)
