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
    from teamtask.kube.api_server import ApiServer

WRITERS = 8  # calls to the API server at once
PASS_SECONDS = 0.02  # a pass waits so long for more to happen, and writes it all at once
RETRY_SECONDS = 1.0  # after a write that failed

_log = structlog.get_logger()


class Controller:
    """Runs in the threads that it starts and the one that calls `run`; only that one decides."""

    def __init__(self, server: ApiServer, namespace: str | None = None) -> None:
        """Watch one namespace, or all."""
        self._server = server
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
        """Reconcile until `stop`. Raises KubernetesError where the definitions of our objects are missing."""
        for reflector in self._reflectors:
            reflector.start()
        try:
            while not self._stopping.is_set():
                for key in self._observed.due(time.time()):
                    self._observed.look_again(key, self._pass(key))
                self._stopping.wait(PASS_SECONDS)
                self._observed.wait(time.time())
        finally:
            for reflector in self._reflectors:
                reflector.stop()
            self._writers.shutdown()

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
        try:
            self._observed.blocks.put(self._write_status("blocks", block.metadata, status, guarded=False))
        except KubernetesError as error:
            if error.status != NOT_FOUND:
                raise

    def _write_status(self, plural: str, metadata: o.Metadata, status: object, *, guarded: bool = True) -> object:
        body: dict[str, object] = {"status": msgspec.to_builtins(status)}
        if guarded:
            body["metadata"] = {"resourceVersion": metadata.resource_version}
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
