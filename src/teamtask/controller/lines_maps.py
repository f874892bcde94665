"""`LinesMaps`: the sources of lists whose lines are in a ConfigMap: each is read once, a refused one again later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from teamtask.controller.read_source import ReadSource
from teamtask.controller.restored import OtherSource
from teamtask.kube.lines_map import LinesMapMissing, LinesMapRefused, lines_place, read_lines_map
from teamtask.ledger.errors import InvalidSource, TeamtaskError

if TYPE_CHECKING:
    from teamtask.controller.observed import ListKey
    from teamtask.kube import objects as o
    from teamtask.kube.api_server import ApiServer

AGAIN_SECONDS = 1.0  # after the first refusal, and twice as long after each further one
AGAIN_SECONDS_MAX = 60.0
LINES_BYTES_MAX = 128 << 20  # of all lists
BYTES_OF_LINE = 8  # beside its text
_TRIES_MAX = 10
_NO_ROOM = "Delete lists that are finished; a controller of its own for a namespace (--namespace) has room of its own."


class _Known(Struct):
    uid: str
    definition: dict[str, Any]
    source: ReadSource | None = None
    error: TeamtaskError | None = None  # why there is none
    bytes: int = 0  # of the lines that are held
    tries: int = 0
    again_at: float = 0.0


class LinesMaps:
    """Used by the one thread that decides; times are seconds of one clock."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._known: dict[ListKey, _Known] = {}

    def forget(self, key: ListKey) -> None:
        """Forget a list that is gone."""
        self._known.pop(key, None)

    def resolved(self, key: ListKey, worklist: o.Worklist, now: float) -> o.Worklist:
        """Give the list with its lines where they are in a ConfigMap, and any other as it is.

        Raises InvalidSource, and what was refused last until it is time to look again; KubernetesError.
        """
        definition = worklist.spec.source
        place = lines_place(definition)
        if place is None:
            self.forget(key)
            return worklist
        known = self._known.get(key)
        if known is None or (known.uid, known.definition) != (worklist.metadata.uid, definition):
            known = self._known[key] = _Known(worklist.metadata.uid, definition)
        if known.source is None:
            if known.error is not None and now < known.again_at:
                raise known.error.with_traceback(None)  # else it grows each time
            source = read_lines_map(self._server, worklist.metadata.namespace, place)
            known.bytes = sum(map(len, source.items(0, source.size))) + BYTES_OF_LINE * source.size
            if sum(one.bytes for one in self._known.values()) > LINES_BYTES_MAX:
                known.bytes = 0
                raise LinesMapRefused("The controller has no room for more lines.", field="source", hint=_NO_ROOM)
            known.source = ReadSource(source)
        return replace(worklist, spec=replace(worklist.spec, source=known.source))

    def again_seconds(self, key: ListKey, error: TeamtaskError, now: float) -> float | None:
        """Give after how many seconds to look again at a list that was refused; None: when it changes."""
        known = self._known.get(key)
        if known is None or not isinstance(error, (InvalidSource, OtherSource)):
            return None
        if error is not known.error:
            wait = min(AGAIN_SECONDS * 2**known.tries, AGAIN_SECONDS_MAX)
            known.source, known.bytes, known.error, known.again_at = None, 0, error, now + wait
            known.tries = min(known.tries + 1, _TRIES_MAX)
        return max(0.0, known.again_at - now)

    def is_on_its_way(self, key: ListKey, error: TeamtaskError) -> bool:
        """Tell whether a ConfigMap may just not be there yet: it is missed for the first time."""
        return isinstance(error, LinesMapMissing) and self._known[key].tries == 1
