"""`Controller`: watches Worklists and Blocks, reconciles the lists that changed, and carries out what that says."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
import structlog

from teamtask.controller.observed import ListKey, Observed
from teamtask.controller.reconcile import Working, begin, reconcile
from teamtask.controller.reflector import Reflector
from teamtask.controller.shown import refused_status
from teamtask.kube import objects as o
from teamtask.kube.api_server import CONFLICT, NOT_FOUND, KubernetesError
from teamtask.ledger.errors import TeamtaskError

if TYPE_CHECKING:
    from teamtask.controller.leadership import Leadership
    from teamtask.kube.api_server import ApiServer

WRITERS = 8  # calls to the API server at once
PASS_SECONDS = 0.02  # a pass waits so long for more to happen, and writes it all at once
RETRY_SECONDS = 1.0  # after a write that failed

_log = structlog.get_logger()


class LeadershipLost(TeamtaskError):
    """The lease of this controller could not be renewed: another one may act now."""

    code = "leadership_lost"
    hint = "Start it again: it stands by until it is its turn."


class Controller:
    """Runs in the threads that it starts and the one that calls `run`; only that one decides."""

    def __init__(self, server: ApiServer, namespace: str | None, leadership: Leadership) -> None:
        """Watch one namespace, or all."""
        self._server = server
        self._leadership = leadership
        self._stopping = threading.Event()
        self._observed = Observed()
        self._working: dict[ListKey, Working] = {}
        self._reflectors = [
            Reflector(server, o.path("worklists", namespace), self._observed.worklists),
            Reflector(server, o.path("blocks", namespace), self._observed.blocks),
        ]
        self._writers = ThreadPoolExecutor(WRITERS, "write")

    def stop(self) -> None:
        """Make `run` end after the pass that it is in; what is decided is written."""
        self._stopping.set()
        self._observed.wake()

    def run(self) -> None:
        """Reconcile until `stop`, standing by while another controller does.

        Raises KubernetesError where the definitions of our objects are missing, LeadershipLost when it is over.
        """
        for reflector in self._reflectors:
            reflector.check()
        try:
            if self._leadership.acquire(self._stopping):
                _log.info("leading")
                for reflector in self._reflectors:  # now, so that it sees all that the one before has written
                    reflector.start()
                self._lead()
        finally:
            for reflector in self._reflectors:
                reflector.stop()
            self._writers.shutdown()
            self._leadership.release()

    def _lead(self) -> None:
        while not self._stopping.is_set():
            if self._leadership.is_lost:
                raise LeadershipLost
            for key in self._observed.due(time.time()):
                self._observed.look_again(key, self._pass(key))
            self._stopping.wait(PASS_SECONDS)
            self._observed.wait(time.time())

    def _pass(self, key: ListKey) -> float | None:
        """Reconcile one list; give the seconds after which to look at it again."""
        worklist, blocks = self._observed.of_list(key)
        if worklist is None:
            self._working.pop(key, None)
            self._close(blocks)
            return None
        try:
            working = self._working.get(key)
            if working is None or worklist.metadata.uid != working.uid:
                working = self._working[key] = begin(worklist, blocks, time.time())
            plan = reconcile(working, worklist, blocks, time.time())
        except TeamtaskError as error:
            self._working.pop(key, None)
            status = refused_status(worklist, error, time.time())
            if status != worklist.status:
                self._write_worklist(worklist, status)
            return None
        try:
            if plan.worklist != worklist.status:
                self._write_worklist(worklist, plan.worklist)
            by_name = {block.metadata.name: block for block in blocks}
            writes = [
                self._writers.submit(self._write_block, by_name[name], status) for name, status in plan.blocks.items()
            ]
            writes += [self._writers.submit(self._let_go, by_name[name]) for name in plan.counted]
            for write in writes:
                write.result()
        except KubernetesError as error:
            # Nobody knows what was written: the objects do, and the ledger is made from them again.
            self._working.pop(key, None)
            if error.status != CONFLICT:
                _log.warning("a write failed", list="/".join(key), error=str(error))
            return RETRY_SECONDS
        return plan.wake_seconds

    def _write_worklist(self, worklist: o.Worklist, status: o.WorklistStatus) -> None:
        self._observed.worklists.put(self._write_status("worklists", worklist.metadata, status))

    def _write_block(self, block: o.Block, status: o.BlockStatus) -> None:
        """Write a status, if it is still the one that was decided on; a report may have come meanwhile."""
        metadata = block.metadata
        try:
            while True:
                try:
                    self._observed.blocks.put(self._write_status("blocks", metadata, status))
                except KubernetesError as error:
                    if error.status != CONFLICT:
                        raise
                    path = f"{o.path('blocks', metadata.namespace)}/{metadata.name}"
                    now = o.read_block(self._server.call("GET", path))
                    if now.status != block.status or now.metadata.uid != metadata.uid:
                        raise
                    metadata = now.metadata
                else:
                    return
        except KubernetesError as error:
            if error.status != NOT_FOUND:
                raise

    def _write_status(self, plural: str, metadata: o.Metadata, status: object) -> object:
        body = {"status": msgspec.to_builtins(status), "metadata": {"resourceVersion": metadata.resource_version}}
        return self._server.call("PATCH", f"{o.path(plural, metadata.namespace)}/{metadata.name}/status", body)

    def _let_go(self, block: o.Block) -> None:
        """Take our finalizer from a block whose work is counted."""
        finalizers = [name for name in block.metadata.finalizers if name != o.FINALIZER]
        body = {"metadata": {"finalizers": finalizers, "resourceVersion": block.metadata.resource_version}}
        try:
            self._server.call("PATCH", f"{o.path('blocks', block.metadata.namespace)}/{block.metadata.name}", body)
        except KubernetesError as error:
            if error.status != NOT_FOUND:
                raise

    def _close(self, blocks: list[o.Block]) -> None:
        """Close the blocks of a list that is gone: there is nothing left to count."""
        for block in blocks:
            if block.metadata.deletion_timestamp is not None:
                self._let_go(block)
            elif block.status.phase != "Closed":
                self._write_block(block, o.BlockStatus(phase="Closed", sequence=block.status.sequence))
