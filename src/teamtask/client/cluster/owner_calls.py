"""`OwnerCalls`: what owners of lists do with Worklists: create, change, pause, rerun, delete."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from teamtask.client.answers import ServerUnreachable
from teamtask.client.cluster.kept_lines import kept_lines
from teamtask.client.cluster.kept_results import asked_for, kept_results
from teamtask.client.cluster.made import grown, patch_of, worklist_of
from teamtask.client.cluster.refusals import NameTaken, NotInKubernetes
from teamtask.client.cluster.shown import intervals, shown_list, state_of
from teamtask.kube import objects as o
from teamtask.kube.kubernetes_error import NOT_FOUND, KubernetesError
from teamtask.kube.lines_map import maps_path
from teamtask.kube.workloads import owner
from teamtask.ledger.errors import FoldCannotBeDivided, InvalidField, InvalidSource, TeamtaskError, WrongState
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.list_state import ListState, Move, moved
from teamtask.wire.interval_text import interval_text, parse_intervals
from teamtask.wire.requests import integer
from teamtask.wire.views import Changed, Worklist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from teamtask.client.cluster.kept_results import KeptResult
    from teamtask.client.cluster.lists import Lists, Seen
    from teamtask.wire.requests import ListChange, NewList, Ranges

WISH_SECONDS: Final = 20.0  # so long the controller may take to carry out what an owner asks for
_LOOK_SECONDS: Final = 0.2
_ALREADY_EXISTS: Final = "AlreadyExists"
_TRY: Final[dict[str, str | int]] = {"dryRun": "All"}


class RerunRefused(TeamtaskError):
    """The controller does not carry the rerun out."""

    code = "wrong_state"


class Awaiting(NamedTuple):
    """A list of lines that are still to come: it is made when they do."""

    body: NewList
    worklist: o.Worklist


class OwnerCalls:
    """May be used by many threads. Raises KubernetesError and TeamtaskErrors with the codes of the web API."""

    def __init__(self, lists: Lists) -> None:
        self._lists = lists
        self._awaiting: dict[str, Awaiting] = {}

    def awaits(self, name: str) -> Worklist | None:
        """Show a list that waits for its lines; None for any other."""
        found = self._awaiting.get(name)
        if found is None:
            return None
        shown = shown_list(found.worklist, found.body.labels, None, [])
        return _awaiting_items(shown)

    def create(self, body: NewList) -> Worklist:
        """Create a list, or remember it until its lines come."""
        if body.source.get("kind") == "lines" and body.source.get("items") is None:
            return self._remember(body)
        return self._with_lines(worklist_of(body), body.source.get("items"))

    def put_items(self, name: str, lines: list[str]) -> Worklist:
        """Create the list that has waited for these lines."""
        found = self._awaiting.get(name)
        if found is None:
            raise WrongState(f"{name} has its items already.", hint="A Worklist keeps the items that it was made with.")
        if not lines:
            raise InvalidSource("There are no items.", field="source.items")
        made = self._with_lines(worklist_of(found.body), lines)
        del self._awaiting[name]
        return made

    def change(self, name: str, change: ListChange) -> Worklist:
        """Change the spec."""
        patch = patch_of(change, self._lists.read(name).labels)
        return self._patched(name, patch) if patch else self._shown(self._lists.read(name))

    def move(self, name: str, move: Move) -> Worklist:
        """Pause or resume. Raises NotInKubernetes for another move."""
        if move not in (Move.PAUSE, Move.RESUME):
            hint = f"`teamtask pause {name}` hands out nothing more; `teamtask rm {name}` takes it away."
            raise NotInKubernetes("A Worklist in Kubernetes cannot be cancelled.", hint=hint)
        seen = self._lists.read(name)
        state = state_of(seen.worklist)
        moved(state, move)
        spec: dict[str, Any] = {"suspend": move is Move.PAUSE}
        if state is ListState.STOPPED and move is Move.RESUME:
            spec["stopAfterResults"] = None
        return self._patched(name, {"spec": spec})

    def rerun(self, name: str, ranges: Ranges | None, *, failed: bool) -> Changed:
        """Bring done indices back, and wait until the controller has done so."""
        seen = self._lists.read(name)
        chosen = self._chosen(seen, ranges, failed=failed)
        if not chosen:
            return Changed(self._shown(seen), 0, 0)
        if seen.worklist.spec.fold is not None and chosen != intervals(seen.worklist.status.completed):
            raise FoldCannotBeDivided
        return self._brought_back(seen, chosen)

    def unpark(self, name: str, ranges: Ranges | None) -> Changed:
        """Bring parked indices back, all without `ranges`: a rerun does that too."""
        seen = self._lists.read(name)
        parked = intervals(seen.worklist.status.parked)
        chosen = parked if ranges is None else parked.intersection(_asked(seen, ranges))
        return self._brought_back(seen, chosen) if chosen else Changed(self._shown(seen), 0, 0)

    def grow(self, name: str, size: int | None) -> Changed:
        """Make a range longer: `size` items in all; wait until the controller has seen it."""
        seen = self._lists.read(name)
        patch, more = grown(seen.worklist.spec, size)
        self._patched(name, {"spec": patch})
        after = self._once(name, lambda now: now.status.size >= (size or 0), "seen that it grew:")
        return Changed(self._shown(after), more, 0)

    def delete(self, name: str) -> None:
        """Delete a list."""
        if self._awaiting.pop(name, None) is None:
            self._lists.read(name)
            self._lists.server.call("DELETE", f"{self._lists.path}/{name}")

    def results(self, name: str) -> list[KeptResult]:
        """Give all results of a list."""
        worklist = self._lists.read(name).worklist
        path = f"{maps_path(self._lists.namespace)}/{o.results_map_name(worklist)}"
        try:
            return kept_results(self._lists.server.call("GET", path), worklist.metadata.uid)
        except KubernetesError as error:
            if error.status != NOT_FOUND:
                raise
            return []  # the first one makes it

    def _remember(self, body: NewList) -> Worklist:
        document = worklist_of(body)
        path = f"{self._lists.path}/{body.name}"
        try:
            self._lists.server.call("GET", path)
        except KubernetesError as error:
            if error.status != NOT_FOUND or not error.reason:
                raise
        else:
            raise NameTaken(f"There is a Worklist {body.name} already.")
        self._lists.check_namespace()
        self._awaiting[body.name] = Awaiting(body, o.read_worklist(document))
        shown = self.awaits(body.name)
        assert shown is not None, "it was just remembered"
        return shown

    def _with_lines(self, document: dict[str, Any], lines: list[str] | None) -> Worklist:
        """Create a list with the lines that it has, if it has any."""
        spec, name = document["spec"], document["metadata"]["name"]
        if spec["source"]["kind"] != "lines" or lines is None:
            return self._made(document)
        spec["source"], config_map = kept_lines(name, spec["source"], lines)
        if config_map is None:
            return self._made(document)
        self._posted(document, _TRY)  # what would be refused is refused before anything is made
        self._wait_for_name(name, config_map)
        seen = self._lists.put(self._posted(document))
        self._made_map(seen, config_map)
        return self._shown(self._lists.put(seen.document))

    def _wait_for_name(self, name: str, config_map: dict[str, Any]) -> None:
        """See that the ConfigMap can be made; that of a list which was just deleted goes first. Raises NameTaken."""
        maps, map_name = maps_path(self._lists.namespace), config_map["metadata"]["name"]
        until = time.monotonic() + WISH_SECONDS
        while True:
            try:
                self._lists.server.call("POST", maps, config_map, _TRY)
            except KubernetesError as error:
                if error.reason != _ALREADY_EXISTS:
                    raise
                if time.monotonic() >= until or not self._goes_with(f"{maps}/{map_name}", name):
                    hint = f"Take another name, or `kubectl -n {self._lists.namespace} delete configmap {map_name}`."
                    raise NameTaken(f"There is a ConfigMap {map_name} already.", hint=hint) from error
            else:
                return
            time.sleep(_LOOK_SECONDS)

    def _goes_with(self, path: str, name: str) -> bool:
        """Tell whether a ConfigMap is of a list of that name."""
        try:
            owners = self._lists.server.call("GET", path)["metadata"].get("ownerReferences", [])
        except KubernetesError as error:
            if error.status != NOT_FOUND:
                raise
            return True
        return any((owner["kind"], owner["name"]) == ("Worklist", name) for owner in owners)

    def _made_map(self, seen: Seen, config_map: dict[str, Any]) -> None:
        """Create the ConfigMap of a list, which goes with it; without it the list goes again."""
        metadata = seen.worklist.metadata
        config_map["metadata"]["ownerReferences"] = [owner("Worklist", metadata)]
        try:
            self._lists.server.call("POST", maps_path(self._lists.namespace), config_map)
        except BaseException:
            with suppress(KubernetesError):
                this = {"preconditions": {"uid": metadata.uid}}
                self._lists.server.call("DELETE", f"{self._lists.path}/{metadata.name}", this)
            raise
        self._lists.keep_lines(seen.worklist, config_map)

    def _made(self, document: dict[str, Any]) -> Worklist:
        return self._shown(self._lists.put(self._posted(document)))

    def _posted(self, document: dict[str, Any], query: dict[str, str | int] | None = None) -> dict[str, Any]:
        try:
            return self._lists.server.call("POST", self._lists.path, document, query)
        except KubernetesError as error:
            if error.reason == _ALREADY_EXISTS:
                raise NameTaken(f"There is a Worklist {document['metadata']['name']} already.") from error
            raise

    def _patched(self, name: str, patch: dict[str, Any]) -> Worklist:
        return self._shown(self._lists.put(self._lists.server.call("PATCH", f"{self._lists.path}/{name}", patch)))

    def _shown(self, seen: Seen) -> Worklist:
        return shown_list(seen.worklist, seen.labels, seen.source, None)

    def _chosen(self, seen: Seen, ranges: Ranges | None, *, failed: bool) -> IntervalSet:
        """Give the done indices that are meant."""
        if ranges is None and not failed:
            hint = 'Give ranges, "0-" for all, or {"failed": true}.'
            raise InvalidField("It is not said what to rerun.", field="ranges", hint=hint)
        done = intervals(seen.worklist.status.completed)
        if ranges is not None:
            done = done.intersection(_asked(seen, ranges))
        if failed:
            not_ok = asked_for(self.results(seen.worklist.metadata.name), ok=False)
            done = done.intersection(IntervalSet((one.index, one.index + 1) for one in not_ok))
        return done

    def _brought_back(self, seen: Seen, chosen: IntervalSet) -> Changed:
        """Ask for a rerun of these, as many as go into an object, and wait until the controller has carried it out."""
        name, spec, status = seen.worklist.metadata.name, seen.worklist.spec, seen.worklist.status
        now, left = _as_many_as_fit(chosen)
        revision = max(status.rerun_revision, 0 if spec.rerun is None else spec.rerun.revision) + 1
        self._patched(name, {"spec": {"rerun": {"revision": revision, "ranges": interval_text(now)}}})
        after = self._once(name, lambda now: now.status.rerun_revision >= revision, "carried out the rerun of")
        for condition in after.worklist.status.conditions:
            if (condition.type, condition.reason) == ("Accepted", "RerunRefused"):
                raise RerunRefused(condition.message)
        return Changed(self._shown(after), now.size, left)

    def _once(self, name: str, is_so: Callable[[o.Worklist], bool], what: str) -> Seen:
        """Wait until the controller has done what was asked for. Raises ServerUnreachable."""
        until = time.monotonic() + WISH_SECONDS
        while True:
            seen = self._lists.read(name)
            if is_so(seen.worklist):
                return seen
            if time.monotonic() >= until:
                message = f"No controller has {what} {name} within {WISH_SECONDS:g} s; it is asked for."
                hint = "Is `teamtask controller` running? Its log says what is wrong."
                raise ServerUnreachable(message, was_sent=True, is_final=True, hint=hint)
            time.sleep(_LOOK_SECONDS)


def _asked(seen: Seen, ranges: Ranges) -> IntervalSet:
    start = seen.worklist.spec.start_index
    if isinstance(ranges, str):
        return parse_intervals(ranges, start, start + max(1, seen.worklist.status.size))
    pairs = ((integer(index, "ranges", low=0), integer(size, "ranges", low=1)) for index, size in ranges)
    return IntervalSet((index, index + size) for index, size in pairs)


def _as_many_as_fit(chosen: Iterable[tuple[int, int]]) -> tuple[IntervalSet, int]:
    """Give the first ranges, whose text goes into an object, and how many are left."""
    now, length, left = IntervalSet(), 0, 0
    for start, stop in chosen:
        length += len(f"{start}-{stop - 1},")
        if length > o.RANGES_CHARACTERS_MAX:
            left += 1
        else:
            now.add(start, stop)
    return now, left


def _awaiting_items(shown: Worklist) -> Worklist:
    from msgspec.structs import replace

    return replace(shown, state=str(ListState.AWAITING_ITEMS), size=0)
