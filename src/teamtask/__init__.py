"""Teamtask works through very long lists with many hands."""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers know it; importing typing would take longer than all the rest
if TYPE_CHECKING:
    from typing import Any

    from teamtask.client.answers import ApiError, ServerUnreachable
    from teamtask.client.block import Block
    from teamtask.client.work import Work
    from teamtask.client.worklist import Worklist
    from teamtask.ledger.errors import TeamtaskError
    from teamtask.local.file_lines import lines
    from teamtask.local.map import fold, map  # noqa: A004 - teamtask.map, by design
    from teamtask.local.outcome import Outcome
    from teamtask.sdk import Client
    from teamtask.sources import (
        Source,
        combinations,
        mask,
        permutations,
        product,
        range,  # noqa: A004 - teamtask.range, by design
        shuffled,
        strings,
    )

__version__ = "0.1.0"

__all__ = [
    "ApiError",
    "Block",
    "Client",
    "Outcome",
    "ServerUnreachable",
    "Source",
    "TeamtaskError",
    "Work",
    "Worklist",
    "__version__",
    "combinations",
    "fold",
    "lines",
    "map",
    "mask",
    "permutations",
    "product",
    "range",
    "shuffled",
    "strings",
]

# Where each name is defined: imported when it is first used, so that `import teamtask` costs nothing.
_PLACES = {
    "ApiError": "teamtask.client.answers",
    "Block": "teamtask.client.block",
    "Client": "teamtask.sdk",
    "Outcome": "teamtask.local.outcome",
    "ServerUnreachable": "teamtask.client.answers",
    "Source": "teamtask.sources",
    "TeamtaskError": "teamtask.ledger.errors",
    "Work": "teamtask.client.work",
    "Worklist": "teamtask.client.worklist",
    "combinations": "teamtask.sources",
    "fold": "teamtask.local.map",
    "lines": "teamtask.local.file_lines",
    "map": "teamtask.local.map",
    "mask": "teamtask.sources",
    "permutations": "teamtask.sources",
    "product": "teamtask.sources",
    "range": "teamtask.sources",
    "shuffled": "teamtask.sources",
    "strings": "teamtask.sources",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562: whatever has that name
    """Import what is asked for."""
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
    from importlib import import_module

    found = globals()[name] = getattr(import_module(place), name)
    return found


def __dir__() -> list[str]:
    """Name what there is."""
    return sorted({*globals(), *__all__})
