"""`worker_name`: what whoever works here is called, by default HOST/PID."""

from __future__ import annotations

import itertools
import os
import platform
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_lock: Final = threading.Lock()
_in_use: Final = set[int]()  # numbers of those who work at the same time in this process


@contextmanager
def worker_name(given: str | None = None) -> Iterator[str]:
    """Give a name that nobody else of this process has meanwhile (HOST/PID, HOST/PID.2), or the one that is given."""
    if given is not None:
        yield given
        return
    with _lock:
        number = next(number for number in itertools.count(1) if number not in _in_use)
        _in_use.add(number)
    try:
        yield f"{platform.node() or 'localhost'}/{os.getpid()}" + (f".{number}" if number > 1 else "")
    finally:
        _in_use.discard(number)
