"""The parameters that stand in queries of the API, each declared once."""

from __future__ import annotations

from typing import Final

from teamtask.api.call import PAGE, PAGE_MAX
from teamtask.api.result_routes import FORMATS
from teamtask.api.route import Query
from teamtask.ledger.list_state import ListState
from teamtask.service.views import RangeState
from teamtask.wire.views import ITEMS_MAX

CURSOR: Final = Query("cursor", "Where to go on: the `next` of the page before.")
INDEX_CURSOR: Final = CURSOR._replace(kind="integer", low=0)
LIMIT: Final = Query("limit", "How many there are on a page at most.", "integer", low=1, high=PAGE_MAX, default=PAGE)
PAGED: Final = (CURSOR, LIMIT)
PAGED_BY_INDEX: Final = (INDEX_CURSOR, LIMIT)

LIST_STATE: Final = Query("state", "Only lists in this state.", values=tuple(ListState))
LABEL: Final = Query("label", "Only lists that have this label: `NAME`, or `NAME=VALUE`.")
BLOCK_STATE: Final = Query(
    "state",
    "What is in this state; without it the blocks that are worked on, of a finished list what it has become.",
    values=tuple(RangeState),
)
RANGE_STATE: Final = Query("state", "The state of the ranges.", values=tuple(RangeState), default=RangeState.DONE)
WORKERS_LIST: Final = Query("list", "Only workers of the list of this name.")

INDEX: Final = Query("index", "The first index.", "integer", low=0, required=True)
SIZE: Final = Query("size", "How many items.", "integer", low=1, high=ITEMS_MAX, required=True)

FORMAT: Final = Query(
    "format", "The form of the lines, in the place of the header `Accept`; ndjson without both.", values=tuple(FORMATS)
)
FROM: Final = Query("from", "The first index that is wanted.", "integer", low=0, default=0)
OK: Final = Query("ok", "Only results that are ok, or only those that are not.", "boolean")
SINCE: Final = Query(
    "since", "Results in order of arrival, from this `seq` on, to follow a running list; excludes `from`.",
    "integer", low=0,
)  # fmt: skip
