"""`Lists`: the Worklists of a namespace, read from the API server, with the sources that their items come from."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from teamtask.client.cluster.made import check_worklist_name
from teamtask.client.cluster.refusals import NoSuchWorklist
from teamtask.client.cluster.shown import known_fingerprint
from teamtask.kube import objects as o
from teamtask.kube.kubernetes_error import FORBIDDEN, NOT_FOUND, KubernetesError
from teamtask.kube.lines_map import LinesMapRefused, lines_place, read_lines_map, source_of_map
from teamtask.ledger.errors import TeamtaskError
from teamtask.sources import source_from_definition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.kube.api_server import ApiServer
    from teamtask.kube.lines_map import LinesPlace
    from teamtask.sources import Source

_PAGE: Final = 500


class Seen(NamedTuple):
    """A Worklist as it was at a moment of this machine's clock."""

    document: dict[str, Any]
    worklist: o.Worklist
    source: Source[Any] | None  # None where the controller refuses it too, or a ConfigMap has lines that were not read
    at: float

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the object."""
        return dict(self.document["metadata"].get("labels") or {})


class _Lines(NamedTuple):
    definition: dict[str, Any]
    source: Source[str]


class Lists:
    """May be used by many threads. Every call raises KubernetesError."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self.server = server
        self.namespace = namespace
        self.path = o.path("worklists", namespace)
        self.blocks_path = o.path("blocks", namespace)
        self._seen: dict[str, Seen] = {}
        self._lines: dict[str, _Lines] = {}  # by the uids of their lists

    def read(self, name: str) -> Seen:
        """Read a list. Raises NoSuchWorklist."""
        check_worklist_name(name)
        try:
            return self.put(self.server.call("GET", f"{self.path}/{name}"))
        except KubernetesError as error:
            if error.status != NOT_FOUND or not error.reason:
                raise
            self._seen.pop(name, None)
            self.check_namespace()
            raise NoSuchWorklist(f"There is no Worklist {name!r:.80} in the namespace {self.namespace}.") from error

    def seen(self, name: str, seconds: float) -> Seen:
        """Give a list as it was so long ago at most. Raises NoSuchWorklist."""
        found = self._seen.get(name)
        return found if found is not None and time.monotonic() - found.at <= seconds else self.read(name)

    def put(self, document: dict[str, Any]) -> Seen:
        """Take a list as the API server shows it."""
        worklist = o.read_worklist(document)
        name = worklist.metadata.name
        before = self._seen.get(name)
        is_same = before is not None and before.worklist.spec.source == worklist.spec.source
        source = before.source if before is not None and is_same else _source_of(worklist)
        if worklist.spec.source.get("configMap") is not None:
            source = self._known_lines(worklist)
        found = self._seen[name] = Seen(document, worklist, source, time.monotonic())
        return found

    def source_of(self, seen: Seen) -> Source[Any] | None:
        """Give what the items of a list come from, None where the controller refuses it; a ConfigMap is read once.

        Raises LinesMapRefused, InvalidSource.
        """
        worklist = seen.worklist
        place = lines_place(worklist.spec.source) if seen.source is None else None
        if place is None:
            return seen.source
        found = self._known_lines(worklist)
        if found is None:
            self._lines[worklist.metadata.uid] = _Lines(worklist.spec.source, self._read_lines(place))
            found = self._known_lines(worklist)
        if found is None:
            message = f"The ConfigMap {place.name} has other lines than {worklist.metadata.name} was made with."
            raise LinesMapRefused(message, field="source", hint="Put the old lines back, or make another list.")
        return found

    def keep_lines(self, worklist: o.Worklist, config_map: dict[str, Any]) -> None:
        """Take the lines of a list from a ConfigMap that was just made for it."""
        place = lines_place(worklist.spec.source)
        assert place is not None, "it was made for that"
        self._lines[worklist.metadata.uid] = _Lines(worklist.spec.source, source_of_map(config_map, place))

    def _known_lines(self, worklist: o.Worklist) -> Source[str] | None:
        """Give lines that were read before, if they are those that the controller has read."""
        known, wanted = self._lines.get(worklist.metadata.uid), known_fingerprint(worklist.status)
        if known is None or known.definition != worklist.spec.source:
            return None
        return known.source if wanted in ("", known.source.fingerprint) else None

    def _read_lines(self, place: LinesPlace) -> Source[str]:
        try:
            return read_lines_map(self.server, self.namespace, place)
        except KubernetesError as error:
            if error.status == FORBIDDEN:
                error.hint = (
                    f"A role that may get this one ConfigMap gives the right: kubectl -n {self.namespace} create role "
                    f"{place.name} --verb=get --resource=configmaps --resource-name={place.name}, and a rolebinding of "
                    "it for this account."
                )
            raise

    def page(self, after: str | None, limit: int) -> tuple[list[dict[str, Any]], str | None]:
        """Give some of the lists, by name, and where the next ones begin."""
        query: dict[str, str | int] = {"limit": limit}
        if after is not None:
            query["continue"] = after
        page = self.server.call("GET", self.path, query=query)
        if not page["items"] and after is None:
            self.check_namespace()
        return page["items"], page["metadata"].get("continue") or None

    def blocks(self, name: str) -> list[o.Block]:
        """Give the blocks of a list."""
        found = map(o.read_block, self._all_blocks())
        return [block for block in found if block.spec.list_ref.name == name]

    def check_namespace(self) -> None:
        """Say so where the namespace itself is missing, if that may be seen. Raises NoSuchWorklist."""
        try:
            self.server.call("GET", f"/api/v1/namespaces/{self.namespace}")
        except KubernetesError as error:
            if error.status == NOT_FOUND:
                hint = "The address is k8s://CONTEXT/NAMESPACE; `kubectl get namespaces` lists them."
                raise NoSuchWorklist(f"There is no namespace {self.namespace}.", hint=hint) from error

    def _all_blocks(self) -> Iterator[dict[str, Any]]:
        query: dict[str, str | int] = {"limit": _PAGE}
        while True:
            page = self.server.call("GET", self.blocks_path, query=query)
            yield from page["items"]
            if not page["metadata"].get("continue"):
                return
            query["continue"] = page["metadata"]["continue"]


def _source_of(worklist: o.Worklist) -> Source[Any] | None:
    try:
        return source_from_definition(worklist.spec.source)
    except TeamtaskError:
        return None
