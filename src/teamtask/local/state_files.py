"""Where the state of local runs lies: one SQLite file a run, in the user's state folder."""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from teamtask.ledger.errors import TeamtaskError
from teamtask.ledger.list_state import FINISHED
from teamtask.service.service import NoSuchList, Service
from teamtask.settings import state_folder
from teamtask.sources.source import canonical_json
from teamtask.stores.open_store import open_store
from teamtask.stores.store import StoreNotWritable

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIX = ".teamtask"
KEPT_DAYS = 30  # after its end a run is tidied away


def make_state_folder() -> Path:
    """Give the folder of local runs, made if it was missing. Raises StoreNotWritable."""
    folder = state_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreNotWritable(
            f"The state folder {folder} cannot be made: {error.strerror}.",
            hint="Set XDG_STATE_HOME to a folder that you can write, or give --state FILE.",
        ) from error
    return folder


def default_name(folder: str, what: object, words: tuple[str, ...]) -> str:
    """Give the name of a run: what it does, for people, and a hash of folder, source and command line."""
    stem = "-".join(filter(None, (re.sub(r"[^A-Za-z0-9]+", "", Path(word).stem)[:20] for word in words)))
    digest = hashlib.blake2b(canonical_json([folder, what]), digest_size=4).hexdigest()
    return f"{stem or 'run'}-{digest}"


def path_of(name: str) -> Path:
    """Give the state file of a run."""
    return state_folder() / (name + SUFFIX)


def state_files() -> list[Path]:
    """Give the state files there are, by name."""
    try:
        return sorted(path for path in state_folder().iterdir() if path.suffix == SUFFIX)
    except (FileNotFoundError, NotADirectoryError):
        return []


def open_state(path: Path) -> Service:
    """Open a state file that exists. Raises NoSuchList, StoreDamaged, StoreTooNew, StoreNotWritable."""
    if not path.exists():
        raise NoSuchList(f"There is no run {path.stem!r}.")
    return Service(open_store(f"sqlite:{path.absolute()}"))


def remove_state(path: Path) -> None:
    """Delete a state file and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def tidy(now: float, *, spared: Path | None = None) -> Iterator[str]:
    """Delete the runs that ended more than 30 days before `now` (seconds since 1970); give their names.

    `spared` is the state file of the run that somebody has just asked for.
    """
    try:
        paths = state_files()
    except OSError:
        return  # whoever needs the folder says what is wrong with it
    for path in paths:
        if path == spared:
            continue
        try:
            # Whatever ended so long ago has not been written since.
            if now - path.stat().st_mtime < KEPT_DAYS * 86_400 or not _ended_before(path, now - KEPT_DAYS * 86_400):
                continue
            remove_state(path)
        except (TeamtaskError, OSError):
            continue  # what cannot be read is not tidied away, and is no reason to stop
        yield path.stem


def _ended_before(path: Path, date: float) -> bool:
    service = open_state(path)
    try:
        return all(_ended_at(service, record.name) < date for record in service.lists())
    finally:
        service.store.close()


def _ended_at(service: Service, name: str) -> float:
    with service.view(service.find(name)) as view:
        return view.ledger.moved_at if view.ledger.state in FINISHED else math.inf
