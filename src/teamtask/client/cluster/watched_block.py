"""`WatchedBlock`: a Block on the API server that its holder reports on and watches; `new_block` makes one."""

from __future__ import annotations

import re
import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from teamtask.client.answers import ApiError, ServerUnreachable
from teamtask.client.cluster.refusals import UNPROCESSABLE
from teamtask.kube import objects as o
from teamtask.kube.kubernetes_error import CONFLICT, FORBIDDEN, NOT_FOUND, KubernetesError

if TYPE_CHECKING:
    from teamtask.client.cluster.lists import Lists
    from teamtask.kube.api_server import ApiServer
    from teamtask.kube.identity import Identity
    from teamtask.kube.watch import Watch

SEEN_SECONDS: Final = 30.0  # so long a controller may take to look at a report, with little to write with
AGAIN_SECONDS: Final = 15.0  # what it has not looked at is not written again before, lest there be still more to do
GONE_SECONDS: Final = 3.0  # so long whoever leaves waits until what he said is counted
TERMINATING_SECONDS: Final = 60.0  # so long a pod waits until the block of its life before is counted
RESULTS_FULL: Final = "ResultsFull"
FULL_SECONDS: Final = 2.0
UNAVAILABLE: Final = 503
_REFUSED: Final = (FORBIDDEN, CONFLICT, UNPROCESSABLE)
_PART_CHARACTERS: Final = 26  # of a list's or a worker's name in that of a block
_unusable: Final = re.compile(r"[^a-z0-9]+")


class Lost(Exception):
    """The block, or its assignment, is no longer ours."""


class WatchedBlock:
    """For one thread at a time, but for `wake`. Raises KubernetesError, and Lost where it is another's or gone."""

    def __init__(self, server: ApiServer, path: str, block: o.Block) -> None:
        self.block = block
        self._server = server
        self._collection = path
        self._path = f"{path}/{block.metadata.name}"
        self._watch: Watch | None = None
        self._said: dict[str, Any] = {}  # last
        self._said_at = 0.0
        self._generation = 0  # with that
        self._is_woken = False

    def wake(self) -> None:
        """Have whoever waits for a change go on, now and from now on. May be called in any thread."""
        self._is_woken = True
        watch = self._watch
        if watch is not None:
            watch.end()

    def close(self) -> None:
        """Watch no more."""
        if self._watch is not None:
            self._watch.close()
        self._watch = None

    def read(self) -> o.Block:
        """Look at it now."""
        try:
            found = o.read_block(self._server.call("GET", self._path))
        except KubernetesError as error:
            if error.status == NOT_FOUND:
                raise Lost from error
            raise
        if found.metadata.uid != self.block.metadata.uid:
            raise Lost
        self.block = found
        return found

    def next(self, seconds: float, *, wakes: bool = True) -> o.Block:
        """Wait for a change, no longer than this nor, if one `wakes`, than `wake`; give the block as it is then."""
        until = time.monotonic() + seconds
        watch = self._watch
        if watch is None or watch.is_over:
            before = self.block
            watch = self._watch = self._opened()
            if self.block != before:
                return self.block
        while not (wakes and self._is_woken) and not watch.is_over:
            event = watch.next(until - time.monotonic())
            if event is None:
                break
            if event["type"] == "DELETED":
                raise Lost
            if event["type"] == "ERROR":  # what happened since is no longer known
                self.close()
                return self.read()
            if event["type"] != "BOOKMARK":
                self.block = o.read_block(event["object"])
                break
        return self.block

    def wait_until_seen(self, generation: int) -> o.Block:
        """Wait until the controller has taken into account what was written. Raises ServerUnreachable."""
        until = time.monotonic() + SEEN_SECONDS
        while self.block.status.observed_generation < generation:
            left = until - time.monotonic()
            if left <= 0:
                name, within = self.block.metadata.name, self.block.metadata.namespace
                message = f"No controller has looked at the block {name} in {within} for {SEEN_SECONDS:g} s."
                hint = "Is `teamtask controller` running? Its log says what is wrong."
                raise ServerUnreachable(message, was_sent=True, hint=hint)
            for condition in self.block.status.conditions:
                if condition.reason == RESULTS_FULL:  # it has looked, and waits too
                    raise ApiError(UNAVAILABLE, condition.message, code="results_full", retry_after=FULL_SECONDS)
            self.next(left, wakes=False)
        return self.block

    def report(self, document: dict[str, Any]) -> int:
        """Write a report in the place of the one before; give the generation of the block with it."""
        is_unseen = self.block.status.observed_generation < self._generation
        if is_unseen and document == self._said and time.monotonic() - self._said_at < AGAIN_SECONDS:
            return self._generation
        body = [
            {"op": "test", "path": "/metadata/uid", "value": self.block.metadata.uid},
            {"op": "test", "path": "/status/sequence", "value": document["sequence"]},
            {"op": "add", "path": "/spec/report", "value": document | {"renewTime": _now()}},
        ]
        try:
            written = o.read_block(self._server.call("PATCH", self._path, body))
        except KubernetesError as error:
            if error.status == NOT_FOUND and error.reason:
                raise Lost from error
            if error.status in _REFUSED and self.read().status.sequence != document["sequence"]:
                raise Lost from error
            raise
        self._said, self._said_at, self._generation = document, time.monotonic(), written.metadata.generation
        return self._generation

    def delete(self) -> None:
        """Take it away; the controller lets it go when what it says is counted."""
        body = {"preconditions": {"uid": self.block.metadata.uid}}
        try:
            self._server.call("DELETE", self._path, body)
        except KubernetesError as error:
            if error.status not in (NOT_FOUND, CONFLICT):
                raise

    def wait_until_gone(self, seconds: float = GONE_SECONDS) -> bool:
        """Wait until it is gone; tell whether it is."""
        until = time.monotonic() + seconds
        try:
            while (left := until - time.monotonic()) > 0:
                self.next(left, wakes=False)
        except Lost:
            return True
        return False

    def _opened(self) -> Watch:
        """Begin to watch from now on."""
        found = self.read()
        query = {"fieldSelector": f"metadata.name={found.metadata.name}"}
        return self._server.open_watch(self._collection, query | {"resourceVersion": found.metadata.resource_version})


def new_block(lists: Lists, identity: Identity, name: str, worker: str) -> tuple[WatchedBlock, bool]:
    """Make a block for a worker on a list; in a pod it has the pod's name, and there may be one of its life before.

    Tells whether that is it. Raises KubernetesError, ApiError where the pod's block is of another list.
    """
    server, path = lists.server, lists.blocks_path
    until = time.monotonic() + TERMINATING_SECONDS
    while True:
        document = block_document(lists.namespace, identity, name, worker)
        try:
            return WatchedBlock(server, path, o.read_block(server.call("POST", path, document))), False
        except KubernetesError as error:
            refusal = error
        is_taken = refusal.reason == "AlreadyExists"
        # A quota refuses also what is there already: names are looked at after it.
        may_be_there = is_taken or (identity.pod is not None and refusal.quota_words)
        if not may_be_there or time.monotonic() >= until:
            raise refusal
        if identity.pod is None:
            continue  # with another chance in its name
        found = _of_pod(server, path, identity.pod)
        if found is None:
            if not is_taken:
                raise refusal
            continue
        if found.block.metadata.deletion_timestamp is None:
            _check_list(found.block, name)
            return found, True
        found.wait_until_gone(until - time.monotonic())
        found.close()


def block_document(namespace: str, identity: Identity, name: str, worker: str) -> dict[str, Any]:
    """Give the object to be created for a worker."""
    metadata: dict[str, Any] = {"name": block_name(name, worker), "finalizers": [o.FINALIZER]}
    spec: dict[str, Any] = {"listRef": {"name": name}, "holder": identity.user}
    spec["holderGroups"] = list(identity.groups[: o.SUBJECTS_MAX])
    if identity.pod is not None:
        metadata["name"] = spec["holderPod"] = identity.pod
        if identity.pod_uid is not None and identity.pod_namespace == namespace:
            owner = {"apiVersion": "v1", "kind": "Pod", "name": identity.pod, "uid": identity.pod_uid}
            metadata["ownerReferences"] = [owner]
    return {"apiVersion": o.API_VERSION, "kind": "Block", "metadata": metadata, "spec": spec}


def block_name(name: str, worker: str) -> str:
    """Make a name that nobody else has, a DNS label that says of which list and worker it is."""
    parts = [_unusable.sub("-", part.lower())[:_PART_CHARACTERS].strip("-") for part in (name, worker)]
    return "-".join([*filter(None, parts), secrets.token_hex(4)])


def _of_pod(server: ApiServer, path: str, pod: str) -> WatchedBlock | None:
    try:
        return WatchedBlock(server, path, o.read_block(server.call("GET", f"{path}/{pod}")))
    except KubernetesError as error:
        if error.status != NOT_FOUND:
            raise
        return None


def _check_list(block: o.Block, name: str) -> None:
    of = block.spec.list_ref.name
    if of != name:
        message = f"This pod works on {of} already, and a pod holds one block."
        hint = "Work on another list in another pod."
        raise ApiError(CONFLICT, message, code="pod_has_block", hint=hint)


def _now() -> str:
    """Give the time so exactly that no report is like the last one."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
