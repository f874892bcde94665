"""`ResultsMap`: the ConfigMap that keeps a list's results, made with the first of them.

Another controller, which acts no more but does not know it yet, may take results for those of work that was never
counted, while this one counts them. So results are removed only after a write of the list, which makes the other's next
one fail, and only from the map as it was read; and each write of results changes the map, as it says on which version
of the list it is based.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teamtask.kube import objects as o
from teamtask.kube.api_server import NOT_FOUND, KubernetesError
from teamtask.kube.lines_map import is_map_name, maps_path
from teamtask.kube.workloads import WORKLIST_LABEL
from teamtask.ledger.errors import TeamtaskError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from teamtask.kube.api_server import ApiServer

LABEL_CHARACTERS_MAX = 63
BASED_ON = f"{o.GROUP}/worklist-version"


class ResultsElsewhere(TeamtaskError):
    """The ConfigMap of the results is not this list's."""

    code = "results_elsewhere"
    hint = "Name another one in spec.results.configMap."


class ResultsMap:
    """The ConfigMap of one list."""

    def __init__(self, server: ApiServer, worklist: o.Worklist) -> None:
        """Begin; nothing is asked yet. Raises ResultsElsewhere for what is no name."""
        self._server = server
        self._worklist = worklist.metadata
        self.name = o.results_map_name(worklist)
        if not is_map_name(self.name):
            raise ResultsElsewhere(f"{self.name!r:.80} is no name of a ConfigMap.")
        self._maps = maps_path(worklist.metadata.namespace)
        self._found: dict[str, str] | None = None  # uid and resourceVersion of the map

    def read(self) -> dict[str, str]:
        """Give its data. Raises ResultsElsewhere for one that was not made for this list, KubernetesError."""
        try:
            found = self._server.call("GET", f"{self._maps}/{self.name}")
        except KubernetesError as error:
            if error.status != NOT_FOUND:
                raise
            return {}
        owners = [owner["uid"] for owner in found["metadata"].get("ownerReferences", [])]
        if found.get("kind") != "ConfigMap" or self._worklist.uid not in owners:
            raise ResultsElsewhere(f"There is a ConfigMap {self.name} already, and it is not of this list.")
        self._see(found)
        return dict(found.get("data") or {})

    def write(self, rows: Mapping[int, str], based_on: str) -> None:
        """Keep rows, each under its index, that follow from this version of the list. Raises KubernetesError."""
        data = {str(index): row for index, row in rows.items()}
        annotations = {BASED_ON: based_on}
        if self._found is not None:
            this = {"uid": self._found["uid"], "annotations": annotations}  # of this very one: else a conflict
            self._see(self._server.call("PATCH", f"{self._maps}/{self.name}", {"metadata": this, "data": data}))
            return
        owner = {
            "apiVersion": o.API_VERSION, "kind": "Worklist", "name": self._worklist.name, "uid": self._worklist.uid,
        }  # fmt: skip
        labels = {WORKLIST_LABEL: self._worklist.name} if len(self._worklist.name) <= LABEL_CHARACTERS_MAX else {}
        metadata = {"name": self.name, "labels": labels, "annotations": annotations, "ownerReferences": [owner]}
        self._see(self._server.call("POST", self._maps, {"metadata": metadata, "data": data}))

    def remove(self, indices: Iterable[int]) -> None:
        """Drop the rows of these, if nobody has written since this was read. Raises KubernetesError."""
        body = {"metadata": self._found, "data": {str(index): None for index in indices}}
        self._see(self._server.call("PATCH", f"{self._maps}/{self.name}", body))

    def _see(self, document: dict[str, Any]) -> None:
        self._found = {name: document["metadata"][name] for name in ("uid", "resourceVersion")}
