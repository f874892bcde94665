"""`Reflector`: keeps a cache like the API server's objects of one kind: a list, then a watch from there on.

After client-go's reflector: bookmarks move the place to go on from, 410 Gone means to list anew, and whoever was cut
off comes back after a time with jitter, so that a thousand of them do not come at once.
"""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any

import structlog

from teamtask.kube.api_server import GONE, NOT_FOUND, KubernetesError

if TYPE_CHECKING:
    from teamtask.controller.observed import Cache
    from teamtask.kube.api_server import ApiServer

PAGE = 500
BACKOFF_SECONDS = 0.5
BACKOFF_MAX_SECONDS = 30.0
DOUBLINGS_MAX = 6

_log = structlog.get_logger()


class Reflector:
    """One thread that lists and watches until it is stopped."""

    def __init__(self, server: ApiServer, path: str, cache: Cache[Any], label: str = "") -> None:
        """Keep `cache` like the objects at a path, with a label those that have it."""
        self._server = server
        self._path = path
        self._cache = cache
        self._which: dict[str, str | int] = {"labelSelector": label} if label else {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)

    def check(self) -> None:
        """See that there are such objects here. Raises KubernetesError."""
        try:
            self._server.call("GET", self._path, query={"limit": 1})
        except KubernetesError as error:
            if error.status == NOT_FOUND:
                message = "This cluster does not know Worklists and Blocks."
                raise KubernetesError(message, NOT_FOUND, hint="teamtask crds | kubectl apply -f -") from error
            raise

    def start(self) -> None:
        """Fill the cache, then go on in a thread. Raises KubernetesError if the first list fails."""
        self._version = self._list()
        self._thread.start()

    def stop(self) -> None:
        """Change the cache no more."""
        self._stopping.set()

    def _run(self) -> None:
        """Watch, and list anew after whatever goes wrong: without this thread the lists would stand still."""
        failures = 0
        is_listed = True
        while not self._stopping.is_set():
            try:
                if not is_listed:
                    self._version = self._list()
                    is_listed = True
                self._watch()
                failures = 0
            except Exception as error:  # noqa: BLE001 - this thread must not end
                is_listed = False
                if isinstance(error, KubernetesError) and error.status == GONE and not failures:
                    failures = 1
                    continue
                failures += 1
                _log.warning("a watch ended", path=self._path, error=str(error))
                most = min(BACKOFF_MAX_SECONDS, BACKOFF_SECONDS * 2 ** min(failures, DOUBLINGS_MAX))
                self._stopping.wait(random.uniform(0, most))  # noqa: S311 - jitter, no secret

    def _list(self) -> str:
        documents: list[object] = []
        query = self._which | {"limit": PAGE}
        while True:
            page = self._server.call("GET", self._path, query=query)
            documents += page["items"]
            metadata = page["metadata"]
            if not metadata.get("continue"):
                break
            query["continue"] = metadata["continue"]
        self._cache.replace(documents)
        return str(metadata["resourceVersion"])

    def _watch(self) -> None:
        for event in self._server.watch(self._path, self._which | {"resourceVersion": self._version}):
            if self._stopping.is_set():
                return
            document = event["object"]
            match event["type"]:
                case "ADDED" | "MODIFIED":
                    self._cache.put(document)
                case "DELETED":
                    self._cache.drop(document)
                case "ERROR":
                    raise KubernetesError(str(document.get("message")), int(document.get("code", 0)))
            self._version = document["metadata"]["resourceVersion"]
