"""`new_file`: a file that appears under its name only when it is complete, and never replaces another."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from teamtask.stores.sqlite.failures import not_writable, of_system
from teamtask.stores.sqlite.state_file import create, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def new_file(path: str) -> Iterator[str]:
    """Give the path of an empty file (mode 0600) to fill; afterwards it is found at `path`.

    An exception inside removes it. Raises StoreNotWritable when `path` exists, StoreFull.
    """
    target = Path(path).absolute()
    unfinished = target.with_name(f".{target.name[:100]}.{uuid4().hex[:8]}.unfinished")
    if os.path.lexists(target):
        raise _taken(target)
    try:
        create(str(unfinished))
    except OSError as error:
        raise of_system(error, str(target)) from error
    try:
        yield str(unfinished)
        _name(unfinished, target)
        sync_folder(str(target))
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            unfinished.with_name(unfinished.name + end).unlink(missing_ok=True)


def _name(unfinished: Path, target: Path) -> None:
    try:
        os.link(unfinished, target)  # unlike a rename it never replaces a file
    except FileExistsError as error:
        raise _taken(target) from error
    except OSError:  # no hard links here (FAT): a rename, after looking, is the best there is
        if os.path.lexists(target):
            raise _taken(target) from None
        unfinished.rename(target)


def _taken(target: Path) -> Exception:
    return not_writable(str(target), "it exists already", "Name a file that does not exist yet.")
