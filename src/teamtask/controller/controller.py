"""`Controller`: watches Worklists and Blocks, reconciles the lists that changed, and carries out what that says."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import structlog

from teamtask.controller.assigning import Allowed
from teamtask.controller.block_pods import keep_alive, own_blocks
from teamtask.controller.event_writer import EventWriter
from teamtask.controller.happened import happened, refused
from teamtask.controller.lines_maps import LinesMaps
from teamtask.controller.metrics import ControllerMetrics
from teamtask.controller.observed import ListKey, Observed
from teamtask.controller.pod_keeper import PodKeeper
from teamtask.controller.reconcile import Overtaken, begin, check_source, reconcile
from teamtask.controller.reflector import Reflector
from teamtask.controller.results_map import ResultsElsewhere, ResultsMap
from teamtask.controller.shown import refused_status, results_refused_status, unlisted_status
from teamtask.controller.told import is_reported
from teamtask.controller.write_budget import SLOW_SECONDS, WriteBudget
from teamtask.kube import objects as o
from teamtask.kube import workloads as w
from teamtask.kube.api_server import CONFLICT, NOT_FOUND, TOO_MANY_REQUESTS, KubernetesError
from teamtask.ledger.errors import TeamtaskError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from teamtask.controller.leadership import Leadership
    from teamtask.controller.working import Plan, Working
    from teamtask.kube.api_server import ApiServer

WRITERS = 8  # calls to the API server at once
PASS_SECONDS = 0.02  # a pass waits so long for more to happen, and writes it all at once
LIST_PASS_SECONDS = 0.1  # a list is looked at no sooner than this after the last time
ROUND_SECONDS = 5.0  # while writes go on, so often the controller is seen to be alive
EVENTS_SECONDS = 2.0  # the end waits so long for what is to be told
REFUSED_SECONDS = 10.0  # after results that were not taken
RETRY_SECONDS = 1.0  # after a write that failed

_log = structlog.get_logger()


class LeadershipLost(TeamtaskError):
    """The lease of this controller could not be renewed: another one may act now."""

    code = "leadership_lost"
    hint = "Start it again: it stands by until it is its turn."


class Controller:
    """Runs in the threads that it starts and the one that calls `run`; only that one decides."""

    def __init__(
        self, server: ApiServer, namespace: str | None, leadership: Leadership, budget: WriteBudget[ListKey]
    ) -> None:
        """Watch one namespace, or all."""
        self._server = server
        self._leadership = leadership
        self._stopping = threading.Event()
        self._observed = Observed()
        self._working: dict[ListKey, Working] = {}
        self._results: dict[ListKey, ResultsMap] = {}
        self._lines = LinesMaps(server)
        self._budget = budget
        self._looked_at: dict[ListKey, float] = {}
        self._is_slow = False  # the API server, since the last pass
        self._reflectors = [
            Reflector(server, o.path("worklists", namespace), self._observed.worklists),
            Reflector(server, o.path("blocks", namespace), self._observed.blocks),
            Reflector(server, w.pods_path(namespace), self._observed.pods, w.WORKLIST_LABEL),
            Reflector(server, w.jobs_path(namespace), self._observed.jobs, w.WORKLIST_LABEL),
        ]
        self._writers = ThreadPoolExecutor(WRITERS, "write")
        self._events = EventWriter(server)
        self.metrics = ControllerMetrics(self._observed.worklists.all)
        self._keeper = PodKeeper(server, self._observed, self._all)

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
                self.metrics.leading.set(1)
                for reflector in self._reflectors:  # now, so that it sees all that the one before has written
                    reflector.start()
                self._lead()
        finally:
            for reflector in self._reflectors:
                reflector.stop()
            self._writers.shutdown()
            self._events.close(EVENTS_SECONDS)
            self._leadership.release()

    def _lead(self) -> None:
        while not self._stopping.is_set():
            if self._leadership.is_lost:
                raise LeadershipLost
            self.metrics.came_round()
            due = self._observed.due(time.time())
            for key in sorted(due, key=lambda key: self._looked_at.get(key, 0.0)):  # the writes go round
                if self._leadership.is_lost:
                    raise LeadershipLost
                if self._stopping.is_set():
                    break
                self.metrics.came_round()
                early = self._looked_at.get(key, 0.0) + LIST_PASS_SECONDS - time.monotonic()
                if early > 0:
                    self._observed.look_again(key, early)
                else:
                    with self.metrics.pass_seconds.time():
                        self._observed.look_again(key, self._pass(key))
            self._stopping.wait(PASS_SECONDS)
            self._observed.wait(time.time())

    def _pass(self, key: ListKey) -> float | None:
        """Reconcile one list; give the seconds after which to look at it again."""
        worklist, blocks = self._observed.of_list(key)
        self._looked_at[key] = time.monotonic()
        try:
            if worklist is not None:
                return self._reconcile(key, worklist, blocks)
            if not self._observed.worklists.is_unreadable(key):
                for known in (self._working, self._results, self._looked_at):
                    known.pop(key, None)
                self._budget.forget(key)
                self._lines.forget(key)
                self._keeper.forget(key)
                self._all([partial(self._close, block) for block in blocks])
        except Exception as error:  # noqa: BLE001 - one list's trouble is not the others'
            # Nobody knows what was written: the objects do, and the ledger is made from them again.
            self._working.pop(key, None)
            expected = isinstance(error, Overtaken) or (isinstance(error, KubernetesError) and error.status == CONFLICT)
            if not expected:
                _log.warning("a list was not looked at", list="/".join(key), error=repr(error))
            return RETRY_SECONDS
        return None

    def _reconcile(self, key: ListKey, worklist: o.Worklist, blocks: list[o.Block]) -> float | None:
        now = time.time()
        try:
            worklist = self._lines.resolved(key, worklist, now)
            working = self._working.get(key)
            if working is None or not _is_of(working, worklist):
                self._working.pop(key, None)
                results = self._results[key] = ResultsMap(self._server, worklist)
                working = self._working[key] = begin(worklist, blocks, results.read(), now)
            check_source(working, worklist)
            own = own_blocks(worklist, blocks)
            keep_alive(working.ledger, own, now)
            pods = self._observed.pods.of_list(key)
            working.note_ended_pods((pod.metadata.name for pod in pods if pod.has_ended), now)
            crew = working.crew = self._keeper.look_after(key, worklist, blocks, own)
            blocks = self._observed.blocks.of_list(key)  # with what was reported just now
            plan = reconcile(working, worklist, blocks, now, self._allowed(key, worklist.spec))
        except KubernetesError:
            raise
        except TeamtaskError as error:
            again = self._lines.again_seconds(key, error, now)
            if not self._lines.is_on_its_way(key, error):
                self._refuse(key, worklist, blocks, error)
            return RETRY_SECONDS if isinstance(error, ResultsElsewhere) else again
        self._budget.spend(key, plan.writes + crew.writes, time.monotonic())
        self._carry_out(key, working, worklist, blocks, plan)
        return min((at for at in (plan.wake_seconds, crew.wake_seconds) if at is not None), default=None)

    def _allowed(self, key: ListKey, spec: o.WorklistSpec) -> Allowed:
        now = time.monotonic()
        if self._is_slow:
            self._is_slow = False
            self._budget.was_slow(now)
        # The namespace is the boundary: nobody gets ahead of, or outweighs, the lists of others.
        others = [(other, one) for other, one in self._working.items() if other != key and one.is_active]
        groups = len({other[0] for other, _ in others} | {key[0]})
        beside = [(other, one) for other, one in others if other[0] == key[0]]
        part = self._budget.part(
            spec.weight, sum(one.weight for _, one in beside if one.priority >= spec.priority), groups
        )
        ahead = [(other, one.waiting) for other, one in beside if one.priority > spec.priority and one.waiting]
        return Allowed(self._budget.of_list(key, now, part, ahead), part, is_behind=bool(ahead))

    def _carry_out(
        self, key: ListKey, working: Working, worklist: o.Worklist, blocks: list[o.Block], plan: Plan
    ) -> None:
        """Write what is planned: results first, then that they count, then what follows from that."""
        if plan.results and not self._keep_results(key, worklist, plan):
            return
        if plan.worklist != worklist.status:
            working.written = self._write_worklist(worklist, plan.worklist)
        if plan.withdrawn:
            self._results[key].remove(plan.withdrawn)
        by_name = {block.metadata.name: block for block in blocks}
        self._all(
            [partial(self._write_block, by_name[name], status) for name, status in plan.blocks.items()]
            + [partial(self._let_go, by_name[name]) for name in plan.counted]
        )
        self._events.tell(worklist, happened(worklist.status, plan, blocks, working.ledger))
        if plan.is_over:
            self._delete(worklist)

    def _keep_results(self, key: ListKey, worklist: o.Worklist, plan: Plan) -> bool:
        """Write results; where they are not taken nothing of the plan is carried out, and the list says so."""
        try:
            self._results[key].write(plan.results, worklist.metadata.resource_version)
        except KubernetesError as error:
            if error.may_pass or error.status in (CONFLICT, NOT_FOUND):
                raise
            self._working.pop(key, None)  # the reports are still there, and are taken when their results are
            status = results_refused_status(worklist, error, time.time())
            if status != worklist.status:
                self._write_worklist(worklist, status)
            plan.wake_seconds = REFUSED_SECONDS
            return False
        return True

    def _delete(self, worklist: o.Worklist) -> None:
        """Delete a list, if it is still this one."""
        metadata = worklist.metadata
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": metadata.uid}}
        try:
            self._server.call("DELETE", f"{o.path('worklists', metadata.namespace)}/{metadata.name}", body)
        except KubernetesError as error:
            if error.status not in (NOT_FOUND, CONFLICT):
                raise

    def _refuse(self, key: ListKey, worklist: o.Worklist, blocks: list[o.Block], error: TeamtaskError) -> None:
        """Say why a list is not worked; what is deleted may go, if there is no ledger to count it."""
        status = refused_status(worklist, error, time.time())
        working = self._working.get(key)
        if status != worklist.status:
            written = self._write_worklist(worklist, status)
            self._events.tell(worklist, refused(worklist.status, status))
            if working is not None:
                working.written = written
        if working is not None:
            working.waiting = 0  # others need not leave it anything
            return
        gone = [block for block in blocks if block.metadata.deletion_timestamp is not None and not is_reported(block)]
        self._all([partial(self._let_go, block) for block in gone])

    def _all(self, writes: Sequence[Callable[[], None]]) -> None:
        """Carry out all of these, several at once, then raise what went wrong with the first that failed."""
        started = [self._writers.submit(write) for write in writes]
        while wait(started, ROUND_SECONDS).not_done:
            self.metrics.came_round()
        for one in started:
            one.result()

    def _write_worklist(self, worklist: o.Worklist, status: o.WorklistStatus) -> o.WorklistStatus:
        """Write a status, if nobody has written since; give it as it was taken."""
        answer = self._write_status("worklists", worklist.metadata, status)
        self._observed.worklists.put(answer, answer=True)
        return o.read_worklist(answer).status

    def _write_block(self, block: o.Block, status: o.BlockStatus) -> None:
        """Write a status, if it is still the one that was decided on; a report may have come meanwhile."""
        metadata = block.metadata
        try:
            while True:
                try:
                    self._observed.blocks.put(self._write_status("blocks", metadata, status), answer=True)
                except KubernetesError as error:
                    if error.status != CONFLICT:
                        raise
                    path = f"{o.path('blocks', metadata.namespace)}/{metadata.name}"
                    now = o.read_block(self._server.call("GET", path))
                    said = now.metadata.generation != block.metadata.generation
                    if (
                        now.status != block.status
                        or now.metadata.uid != metadata.uid
                        or (said and not status.assignments)
                    ):
                        raise  # a sign of life, it may be, of what was about to be taken for dead
                    metadata = now.metadata
                else:
                    return
        except KubernetesError as error:
            if error.status != NOT_FOUND:
                raise

    def _write_status(self, plural: str, metadata: o.Metadata, status: object) -> object:
        body = {"status": msgspec.to_builtins(status), "metadata": {"resourceVersion": metadata.resource_version}}
        began, status_code = time.monotonic(), 200
        try:
            return self._server.call("PATCH", f"{o.path(plural, metadata.namespace)}/{metadata.name}/status", body)
        except KubernetesError as error:
            status_code = error.status
            raise
        finally:
            late = time.monotonic() - began > SLOW_SECONDS
            self._is_slow |= late or status_code == TOO_MANY_REQUESTS
            self.metrics.writes.labels(plural, str(status_code)).inc()

    def _let_go(self, block: o.Block) -> None:
        """Take our finalizer from a block whose work is counted; one that has changed comes again with its change."""
        finalizers = [name for name in block.metadata.finalizers if name != o.FINALIZER]
        body = {"metadata": {"finalizers": finalizers, "resourceVersion": block.metadata.resource_version}}
        try:
            self._server.call("PATCH", f"{o.path('blocks', block.metadata.namespace)}/{block.metadata.name}", body)
        except KubernetesError as error:
            if error.status not in (NOT_FOUND, CONFLICT):
                raise

    def _close(self, block: o.Block) -> None:
        """Close a block of a list that is gone: there is nothing left to count."""
        if block.metadata.deletion_timestamp is not None:
            if o.FINALIZER in block.metadata.finalizers:
                self._let_go(block)
            return
        status = unlisted_status(block, time.time())
        if status != block.status:
            self._write_block(block, status)


def _is_of(working: Working, worklist: o.Worklist) -> bool:
    """Tell whether a ledger is of this very list and its results, and nobody else has written to it."""
    same = worklist.metadata.uid == working.worklist.metadata.uid and worklist.status == working.written
    return same and worklist.spec.results == working.worklist.spec.results
