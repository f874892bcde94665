"""`SimulatedApi`: objects as the API server of Kubernetes keeps them; `Line`: a way to it on which things go wrong."""

from __future__ import annotations

import copy
import json
import random
import threading
import time
from typing import TYPE_CHECKING, Any

from teamtask.kube import objects as o
from teamtask.kube.kubernetes_error import CONFLICT, GONE, NOT_FOUND, TOO_MANY_REQUESTS, KubernetesError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Document = dict[str, Any]
IDLE_SECONDS = 0.05
KINDS = {"worklists": "Worklist", "blocks": "Block", "configmaps": "ConfigMap", "events": "Event"}
FORBIDDEN, UNAVAILABLE = 403, 503


class SimulatedApi:
    """Keeps versions, generations, finalizers, status apart from spec, and the events of watches; safe for threads."""

    def __init__(self, wrote: Callable[[Document], None]) -> None:
        """Call `wrote` with each object as it was written, one after the other."""
        self._wrote = wrote
        self._changed = threading.Condition()
        self._objects: dict[str, Document] = {}
        self._events: list[tuple[int, str, str, Document]] = []  # version, path of the object, type, object
        self._version = 0
        self._compacted = 0

    def get(self, path: str) -> Document:
        """Give an object, or a page of those under a path."""
        with self._changed:
            if path in self._objects:
                return copy.deepcopy(self._objects[path])
        raise _error(NOT_FOUND, path)

    def page(self, path: str, query: Mapping[str, str | int]) -> Document:
        """Give some objects under a path, by name."""
        with self._changed:
            after, limit = str(query.get("continue", "")), int(query.get("limit", 500))
            names = sorted(one for one in self._objects if one.startswith(f"{path}/") and one > after)
            metadata = {"resourceVersion": str(self._version)}
            if len(names) > limit:
                metadata["continue"] = names[limit - 1]
            return {"items": [copy.deepcopy(self._objects[name]) for name in names[:limit]], "metadata": metadata}

    def create(self, path: str, document: Document) -> Document:
        """Make an object under a path."""
        with self._changed:
            name = document["metadata"].get("name") or f"{document['metadata']['generateName']}{self._version}"
            if (at := f"{path}/{name}") in self._objects:
                raise _error(CONFLICT, at)
            own = {"name": name, "namespace": path.split("/")[-2], "uid": f"u{self._version}"}
            made = {"kind": KINDS[path.rpartition("/")[2]], **copy.deepcopy(document)}
            made["metadata"] |= own | {"generation": 1, "creationTimestamp": f"{self._version:09}"}
            return self._put(at, made, "ADDED")

    def patch(self, path: str, change: Document) -> Document:
        """Merge a change into an object, or into its status alone."""
        with self._changed:
            at = path.removesuffix("/status")
            old = self._objects.get(at)
            asked = change.get("metadata", {})
            if old is None:
                raise _error(NOT_FOUND, at)
            for name in asked.keys() & {"resourceVersion", "uid"}:
                if asked[name] != old["metadata"][name]:
                    raise _error(CONFLICT, at)
            report = (change.get("spec") or {}).get("report")
            if report is not None and report["sequence"] != old.get("status", {}).get("sequence", 0):
                raise _error(FORBIDDEN, at)  # as our policy says
            kept = {"status"} if path != at else change.keys() - {"status"}
            new = _merged(old, {name: value for name, value in change.items() if name in kept})
            if new == old:
                return copy.deepcopy(old)
            new["metadata"]["generation"] = old["metadata"]["generation"] + (new.get("spec") != old.get("spec"))
            if "deletionTimestamp" in new["metadata"] and not new["metadata"].get("finalizers"):
                return self._put(at, new, "DELETED")
            return self._put(at, new, "MODIFIED")

    def delete(self, path: str, options: Document) -> Document:
        """Delete an object, as soon as it has no finalizers."""
        with self._changed:
            old = self._objects.get(path)
            if old is None:
                raise _error(NOT_FOUND, path)
            for name, value in options.get("preconditions", {}).items():
                if old["metadata"][name] != value:
                    raise _error(CONFLICT, path)
            new = copy.deepcopy(old)
            new["metadata"].setdefault("deletionTimestamp", "now")
            return self._put(path, new, "MODIFIED" if new["metadata"].get("finalizers") else "DELETED")

    def compact(self) -> None:
        """Forget all events so far: whoever asks for one of them is told that it is gone."""
        with self._changed:
            self._events, self._compacted = [], self._version

    def events(self, path: str, since: int, seconds: float) -> tuple[list[tuple[str, Document]], int]:
        """Give the events under a path after a version, waiting so long for any, and the version that they lead to.

        Raises KubernetesError.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._version > since, seconds)
            if since < self._compacted:
                raise _error(GONE, path)
            under, found = f"{path}/", []
            for version, at, kind, document in self._events:
                if version > since and at.startswith(under):
                    found.append((kind, copy.deepcopy(document)))
            return found, self._version

    def _put(self, path: str, document: Document, kind: str) -> Document:
        self._version += 1
        document["metadata"]["resourceVersion"] = str(self._version)
        if kind == "DELETED":
            del self._objects[path]
        else:
            self._objects[path] = document
            self._wrote(document)
        self._events.append((self._version, path, kind, document))
        self._changed.notify_all()
        return copy.deepcopy(document)


class Line:
    """What one controller has of the API server, in the place of `ApiServer`; faults come by a seed."""

    namespace = "default"

    def __init__(self, api: SimulatedApi, seed: int, fault_share: float) -> None:
        """Have `fault_share` of the calls and of the events of watches go wrong in one of several ways."""
        self._api, self._chance, self._share = api, random.Random(seed), fault_share
        self._is_dead = threading.Event()

    def kill(self) -> None:
        """Let nothing through any more, as where the process of the caller was killed."""
        self._is_dead.set()

    def call(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str | int] | None = None, *,
        seconds: float = 10.0,
    ) -> Document:  # fmt: skip
        """Make a call; it may be refused, lost on the way there, or its answer on the way back."""
        assert seconds > 0
        fault = self._chance.random() / self._share
        time.sleep(self._chance.random() / 500)
        self._check_alive()
        if fault < 0.3:
            raise _error(TOO_MANY_REQUESTS if fault < 0.2 else UNAVAILABLE, path)
        if fault < 0.6:
            raise KubernetesError("the call was lost")
        answer = self._carry_out(method, path, json.loads(json.dumps(body)), query or {})
        self._check_alive()
        if fault < 1.0:
            raise KubernetesError("the answer was lost")
        return answer

    def watch(self, path: str, query: Mapping[str, str | int]) -> Iterator[Document]:
        """Give events: some late, some with those before them once more; and break off, so that others are lost."""
        version, before = int(query["resourceVersion"]), []
        while True:
            try:
                found, version = self._api.events(path, version, IDLE_SECONDS)
            except KubernetesError as error:
                yield {"type": "ERROR", "object": {"message": str(error), "code": error.status}}
                return
            for kind, document in found:
                self._check_alive()
                before.append({"type": kind, "object": document})
                fault = self._chance.random() / self._share
                if fault < 0.3:
                    raise KubernetesError("the watch broke off")
                if fault < 0.6:
                    time.sleep(self._chance.random() / 5)
                yield from copy.deepcopy(before[-3:] if 0.6 <= fault < 1.0 else before[-1:])
            self._check_alive()
            yield {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}

    def _carry_out(self, method: str, path: str, body: Any, query: Mapping[str, str | int]) -> Document:
        match method:
            case "GET" if query:
                return self._api.page(path, query)
            case "GET":
                return self._api.get(path)
            case "POST":
                return self._api.create(path, body)
            case "PATCH":
                return self._api.patch(path, body)
            case "DELETE":
                return self._api.delete(path, body or {})
        raise AssertionError(method)

    def _check_alive(self) -> None:
        if self._is_dead.is_set():
            raise KubernetesError("the line is dead")


class Leads:
    """A leadership that believes in itself, whatever others do."""

    is_lost = False

    def acquire(self, stopping: threading.Event) -> bool:
        """Act at once."""
        return not stopping.is_set()

    def release(self) -> None:
        """Let go of nothing."""


def wait_for_threads() -> None:
    """Wait until nothing is left of controllers that have ended, which might disturb the next test."""
    for thread in threading.enumerate():
        if thread.name.startswith(("watch ", "events")):
            thread.join()


def block_document(name: str, of: str) -> Document:
    """Give a Block as its holder makes it."""
    metadata = {"name": name, "finalizers": [o.FINALIZER]}
    spec = {"listRef": {"name": of}, "holder": "somebody"}
    return {"apiVersion": o.API_VERSION, "kind": "Block", "metadata": metadata, "spec": spec}


def _merged(old: Any, change: Any) -> Any:
    """Apply a merge patch (RFC 7396)."""
    if not isinstance(change, dict):
        return copy.deepcopy(change)
    merged = copy.deepcopy(old) if isinstance(old, dict) else {}
    for name, value in change.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged


def _error(status: int, path: str) -> KubernetesError:
    return KubernetesError(f"{status}: {path}", status, reason="Simulated")
