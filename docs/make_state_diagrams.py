"""Draws the life of a list and of a lease from the tables that decide them, as SVG and as Markdown.

    python docs/make_state_diagrams.py

A test fails when the files are not what this script would write.
"""

from __future__ import annotations

from collections import defaultdict
from html import escape
from math import copysign, hypot
from pathlib import Path
from typing import Any

from teamtask.ledger import lease_state, list_state

DOCS = Path(__file__).parent
LIST = DOCS / "images" / "list-states.svg"
LEASE = DOCS / "images" / "lease-states.svg"
TABLES = DOCS / "explanation" / "state-tables.md"
WIDTH, HEIGHT = 132, 34  # of a box
APART = 8  # how far two arrows between the same boxes lie from the middle
PLACES = {
    "cancelled": (90, 250), "paused": (370, 40), "awaiting_items": (325, 165), "stopped": (330, 380),
    "running": (570, 250), "complete": (800, 160), "complete_except": (800, 340),
    "held": (90, 150), "done": (560, 40), "failed": (560, 115), "released": (560, 190), "expired": (560, 265),
}  # fmt: skip

Edges = dict[tuple[str, str], list[str]]


def edges_of_lists() -> Edges:
    """Give what moves a list from one state to another.

    Left out is that reports of what was in hand may finish a list that does not run: the table says it.
    """
    edges: Edges = defaultdict(list)
    for state, moves in list_state.TRANSITIONS.items():
        for move, after in moves.items():
            late = str(move).startswith("finish") and state is not list_state.ListState.RUNNING
            if after is not state and not late:
                edges[state, after].append(str(move))
    return edges


def edges_of_leases() -> Edges:
    """Give what ends a lease."""
    edges: Edges = defaultdict(list)
    for state, causes in lease_state.TRANSITIONS.items():
        for cause, ending in causes.items():
            if ending.state is not state:
                edges[state, ending.state].append(str(cause))
    return edges


def drawing(edges: Edges, size: tuple[int, int]) -> str:
    """Draw boxes and arrows; two arrows between the same boxes run side by side."""
    states = sorted({state for edge in edges for state in edge}, key=lambda state: PLACES[state])
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" font-family="sans-serif" '
            f'font-size="12" viewBox="0 0 {size[0]} {size[1]}">'
        ),
        (
            '<defs><marker id="a" markerWidth="8" markerHeight="8" refX="7" refY="3" orient="auto">'
            '<path d="M0,0 L7,3 L0,6 z" fill="#555"/></marker></defs>'
        ),
        f'<rect width="{size[0]}" height="{size[1]}" fill="#fff"/>',
    ]
    parts += [_arrow(*edge, ", ".join(labels), both=edge[::-1] in edges) for edge, labels in sorted(edges.items())]
    for state in states:
        x, y = PLACES[state]
        parts.append(
            f'<rect x="{x - WIDTH / 2}" y="{y - HEIGHT / 2}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#eef" '
            f'stroke="#336"/><text x="{x}" y="{y + 4}" text-anchor="middle" font-weight="bold">{escape(state)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _arrow(begin: str, end: str, label: str, *, both: bool) -> str:
    (x1, y1), (x2, y2) = PLACES[begin], PLACES[end]
    length = hypot(x2 - x1, y2 - y1)
    along, across = (x2 - x1) / length, (y2 - y1) / length
    shift = APART if both else 0  # to its right hand, so that two arrows do not meet
    left, down = -across * shift, along * shift
    start = _to_edge((left, down), (along, across))
    stop = length - _to_edge((left, down), (-along, -across))
    middle = (start + stop) / 2
    beside = shift + 10 if both else 0  # where the label stands: else on the line
    x, y = x1 + along * middle - across * beside, y1 + across * middle + along * beside + 4
    anchor = "middle" if not both or abs(across) < 0.4 else "end" if across > 0 else "start"  # noqa: PLR2004 - rather level
    line = (
        f'<line x1="{x1 + left + along * start:.0f}" y1="{y1 + down + across * start:.0f}" '
        f'x2="{x1 + left + along * stop:.0f}" y2="{y1 + down + across * stop:.0f}" stroke="#555" '
        'marker-end="url(#a)"/>'
    )
    return (
        f'{line}<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="#333" stroke="#fff" stroke-width="6" '
        f'paint-order="stroke">{escape(label)}</text>'
    )


def _to_edge(begin: tuple[float, float], direction: tuple[float, float]) -> float:
    """Give how far a line from `begin`, as seen from the middle of a box, goes until it leaves the box."""
    return min(
        (copysign(half, along) - place) / along
        for place, along, half in zip(begin, direction, (WIDTH / 2, HEIGHT / 2), strict=True)
        if along
    )


def tables() -> str:
    """Write both tables as Markdown."""
    return "\n".join(
        [
            "<!-- written by docs/make_state_diagrams.py; do not edit -->",
            "",
            "# The tables of states",
            "",
            "## A list: state x move",
            "",
            "An empty cell: the owner is refused (`wrong_state`), what follows by itself changes nothing.",
            "",
            *_table("state", list(list_state.Move), list_state.TRANSITIONS, str),
            "",
            "## A lease: what ends it, and how the rest comes back",
            "",
            "| cause | the worker hears | counts a failure | keeps earlier failures | a late report may count |",
            "| --- | --- | --- | --- | --- |",
            *(
                f"| {cause} | {end.state} | {_yes(end.counts_failure)} | {_yes(end.keeps_failures)} "
                f"| {_yes(end.remembered)} |"
                for cause, end in lease_state.TRANSITIONS[lease_state.LeaseState.HELD].items()
            ),
            "",
        ]
    )


def _table(corner: str, columns: list[Any], rows: dict[Any, dict[Any, Any]], cell: Any) -> list[str]:  # noqa: ANN401
    head = " | ".join([corner, *map(str, columns)])
    lines = [f"| {head} |", "| --- " * (len(columns) + 1) + "|"]
    for row, cells in rows.items():
        lines.append("| " + " | ".join([str(row), *(cell(cells[c]) if c in cells else "" for c in columns)]) + " |")
    return lines


def _yes(value: bool) -> str:  # noqa: FBT001 - it is a cell
    return "yes" if value else "no"


def files() -> dict[Path, str]:
    """Give what stands in each file."""
    return {
        LIST: drawing(edges_of_lists(), (900, 420)),
        LEASE: drawing(edges_of_leases(), (660, 310)),
        TABLES: tables(),
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
