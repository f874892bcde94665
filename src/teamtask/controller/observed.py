"""`Observed`: the objects as the watches show them, grouped by list, and which lists are to be looked at when."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec
import structlog

from teamtask.kube import objects as o
from teamtask.kube import workloads as w

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ListKey = tuple[str, str]  # namespace and name of a Worklist
IDLE_SECONDS = 1.0  # whoever waits looks up so often, for the leadership may be lost

_log = structlog.get_logger()
_Kind = TypeVar("_Kind", o.Worklist, o.Block, w.Pod, w.Job)


class Cache(Generic[_Kind]):
    """The objects of one kind; safe for threads."""

    def __init__(
        self, read: Callable[[object], _Kind], list_of: Callable[[_Kind], ListKey], changed: Callable[[ListKey], None]
    ) -> None:
        """Tell `changed` of each list of which an object comes, changes or goes."""
        self._read: Callable[[object], _Kind] = read
        self._list_of: Callable[[_Kind], ListKey] = list_of
        self._changed = changed
        self._lock = threading.Lock()
        self._objects: dict[tuple[str, str], _Kind] = {}
        self._unreadable: set[tuple[str, str]] = set()
        self._by_list: dict[ListKey, set[tuple[str, str]]] = {}

    def put(self, document: object, *, answer: bool = False) -> None:
        """Take an object, unless a newer one is there; what a write was answered with only if it is there still."""
        try:
            new = self._read(document)
        except (msgspec.ValidationError, RecursionError) as error:
            unread = _key_of(document)
            _log.warning("an object cannot be read", object="/".join(unread), error=str(error))
            with self._lock:
                self._unreadable.add(unread)
            return
        key = (new.metadata.namespace, new.metadata.name)
        with self._lock:
            old = self._objects.get(key)
            if old is not None and _is_older(new.metadata, old.metadata):
                return
            if answer and (old is None or old.metadata.uid != new.metadata.uid):
                return
            if old is not None and self._list_of(old) != self._list_of(new):
                self._by_list[self._list_of(old)].discard(key)
            self._unreadable.discard(key)
            self._objects[key] = new
            self._by_list.setdefault(self._list_of(new), set()).add(key)
        if old != new:
            self._changed(self._list_of(new))

    def drop(self, document: object) -> None:
        """Forget an object that was deleted."""
        self._forget(_key_of(document))

    def replace(self, documents: Iterable[object]) -> None:
        """Take all objects that there are."""
        there = set()
        for document in documents:
            self.put(document)
            there.add(_key_of(document))
        with self._lock:
            gone = set(self._objects) - there
        for key in gone:
            self._forget(key)

    def is_unreadable(self, key: tuple[str, str]) -> bool:
        """Tell whether there is an object of this name that is not one of ours to understand."""
        with self._lock:
            return key in self._unreadable

    def _forget(self, key: tuple[str, str]) -> None:
        with self._lock:
            self._unreadable.discard(key)
            gone = self._objects.pop(key, None)
            if gone is None:
                return
            of = self._list_of(gone)
            self._by_list[of].discard(key)
            if not self._by_list[of]:
                del self._by_list[of]
        self._changed(of)

    def all(self) -> list[_Kind]:
        """Give all objects."""
        with self._lock:
            return list(self._objects.values())

    def of_list(self, key: ListKey) -> list[_Kind]:
        """Give the objects of a list."""
        with self._lock:
            return [self._objects[name] for name in self._by_list.get(key, ())]


def _key_of(document: object) -> tuple[str, str]:
    metadata = msgspec.convert(document, o.Named).metadata
    return metadata.namespace, metadata.name


def _is_older(new: o.Metadata, old: o.Metadata) -> bool:
    """Compare versions of one object, which are numbers in a store that grow."""
    if new.uid != old.uid or not (new.resource_version.isdigit() and old.resource_version.isdigit()):
        return False
    return int(new.resource_version) < int(old.resource_version)


def _list_of_worklist(worklist: o.Worklist) -> ListKey:
    return worklist.metadata.namespace, worklist.metadata.name


def _list_of_block(block: o.Block) -> ListKey:
    return block.metadata.namespace, block.spec.list_ref.name


def _list_of_workload(workload: w.Pod | w.Job) -> ListKey:
    return workload.metadata.namespace, workload.metadata.labels.get(w.WORKLIST_LABEL, "")


class Observed:
    """The caches and the work queue: a list that changes twice before it is looked at is looked at once."""

    def __init__(self) -> None:
        """Begin without objects."""
        self._condition = threading.Condition()
        self._changed: set[ListKey] = set()
        self._later: dict[ListKey, float] = {}
        self._woken = False
        self.worklists = Cache(o.read_worklist, _list_of_worklist, self._note)
        self.blocks = Cache(o.read_block, _list_of_block, self._note)
        self.pods = Cache(w.read_pod, _list_of_workload, self._note)
        self.jobs = Cache(w.read_job, _list_of_workload, self._note)

    def of_list(self, key: ListKey) -> tuple[o.Worklist | None, list[o.Block]]:
        """Give a list, None if it is gone, and its blocks."""
        worklists = self.worklists.of_list(key)
        return (worklists[0] if worklists else None), self.blocks.of_list(key)

    def _note(self, key: ListKey) -> None:
        with self._condition:
            self._changed.add(key)
            self._condition.notify()

    def look_again(self, key: ListKey, seconds: float | None) -> None:
        """Have a list be looked at after so long, though nothing of it changes."""
        with self._condition:
            if seconds is None:
                self._later.pop(key, None)
            else:
                self._later[key] = time.time() + seconds

    def due(self, now: float) -> list[ListKey]:
        """Take the lists that are to be looked at now."""
        with self._condition:
            due = self._changed | {key for key, at in self._later.items() if at <= now}
            self._changed = set()
            for key in due:
                self._later.pop(key, None)
            return sorted(due)

    def wait(self, now: float) -> None:
        """Wait until a list is due, or `wake`."""
        with self._condition:
            if not self._changed and not self._woken:
                soonest = min(self._later.values(), default=now + IDLE_SECONDS)
                self._condition.wait(max(0.0, soonest - now))

    def wake(self) -> None:
        """Make who waits go on, now and from now on."""
        with self._condition:
            self._woken = True
            self._condition.notify()
