"""`teamtask show`: everything that is known of one list."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from teamtask.cli.arguments import name_argument, output_option, place_options, watch_option
from teamtask.cli.find_list import find_list
from teamtask.cli.output import json_text, names_text, say_data, watch
from teamtask.cli.tables import cell, percentage, rate_text, seconds_text, table, terminal_width
from teamtask.cli.text import compact, date_of, duration
from teamtask.cli.workers import COLUMNS, worker_cells
from teamtask.ledger.big_numbers import counted
from teamtask.ledger.big_numbers import shown as shown_number
from teamtask.ledger.list_state import FINISHED
from teamtask.service.views import RangeState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.cli.door import Door
    from teamtask.cli.servers import Place
    from teamtask.wire.views import Block, Worklist

PARKED_SHOWN = 10
_USUAL_PRIORITY, _USUAL_WEIGHT = 0, 1.0


@click.command(short_help="Show everything about a list.")
@name_argument
@place_options
@output_option("wide", "json", "name", text="Its workers too, the API's form, or its name alone.")
@watch_option
def show(*, name: str | None, place: Place, output: str | None, watching: bool) -> None:
    """Show everything that is known of a list, and how to go on with it.

    \b
    Examples:
      teamtask show hosts-1f2e3d4c
      teamtask show hosts-1f2e3d4c -w
      teamtask show hosts-1f2e3d4c -o json | jq .failed
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    with find_list(name, place) as found:

        def draw() -> tuple[str, bool]:
            shown = found.show()
            return _text(found, shown, output), shown.state in FINISHED

        if watching:
            watch(draw)
        else:
            say_data(draw()[0])


def _text(found: Door, shown: Worklist, output: str | None) -> str:
    if output == "json":
        return json_text(shown)
    if output == "name":
        return names_text([shown.name])
    pairs = [*_progress(found, shown), *_definition(found, shown)]
    width = max(len(title) for title, _ in pairs) + 2
    text = "".join(f"{title:{width}}{cell(value)}\n" for title, value in pairs)
    workers = list(found.workers()) if output == "wide" else []
    if workers:
        text += "\n" + table(COLUMNS, [worker_cells(worker) for worker in workers], terminal_width())
    return text


def _progress(found: Door, shown: Worklist) -> Iterator[tuple[str, str]]:
    yield "name", shown.name
    yield "state", shown.state + (f": {shown.reason}" if shown.reason else "")
    yield "items", f"{shown_number(shown.size)}, {_source(shown)}"
    done = f"{shown_number(shown.done)} ({percentage(shown.done, shown.size)})"
    yield "done", done + (f", {compact(shown.failed)} failed" if shown.failed else "")
    if shown.leased:
        blocks = sum(worker.blocks for worker in found.workers())
        yield "leased", f"{shown_number(shown.leased)} in {counted(blocks, 'block', 'blocks')}"
    if shown.returned:
        yield "returned", shown_number(shown.returned)
    if shown.parked:
        yield "parked", compact(shown.parked)
        for block in islice(found.blocks(RangeState.PARKED), PARKED_SHOWN):
            yield "", _parked(block)
    if shown.state not in FINISHED:
        yield "rate", f"{rate_text(shown.rate)}, {shown.workers} at work, {_left(shown)}"
    if shown.fold_rule is not None:
        yield "fold", f"{_fold_name(shown.fold_rule)}: {_fold_text(shown.fold)}"


def _definition(found: Door, shown: Worklist) -> Iterator[tuple[str, str]]:
    yield "created", _local_time(shown.created_at)
    if shown.completed_at is not None:
        took = duration(max(0.0, date_of(shown.completed_at) - date_of(shown.created_at)))
        yield "completed", f"{_local_time(shown.completed_at)}, after {took}"
    yield from found.notes()
    yield "block", _block(shown)
    if shown.labels:
        yield "labels", ", ".join(f"{name}={value}" for name, value in sorted(shown.labels.items()))
    for role, holders in sorted(shown.roles.items()):
        if holders:
            yield cell(role), ", ".join(holders)
    if (shown.priority, shown.weight) != (_USUAL_PRIORITY, _USUAL_WEIGHT):
        yield "priority", f"{shown.priority}, weight {shown.weight:g}"
    yield found.kept_in()
    again = found.again()
    if again is not None and shown.state not in FINISHED:
        yield "to go on", again


def _source(shown: Worklist) -> str:
    source = shown.source
    text = str(source.get("kind")) + (" shuffled" if source.get("shuffle") is not None else "")
    return f"{text}, fingerprint {shown.fingerprint}" if shown.fingerprint else text


def _parked(block: Block) -> str:
    last = block.index + block.size - 1
    indices = shown_number(block.index) + (f"-{shown_number(last)}" if block.size > 1 else "")
    return f"{indices} after {block.attempt} tries: {block.reason}"


def _fold_name(rule: object) -> str:
    return " ".join(f"{name} {value}" for name, value in rule.items()) if isinstance(rule, dict) else str(rule)


def _fold_text(fold: Any) -> str:  # noqa: ANN401 - any JSON
    if fold is None:
        return "nothing yet"
    return f"[{', '.join(map(str, fold))}]" if isinstance(fold, list) else str(fold)


def _left(shown: Worklist) -> str:
    return "ETA unknown" if shown.eta_seconds is None else f"ETA {seconds_text(shown.eta_seconds)}"


def _block(shown: Worklist) -> str:
    if "size" in shown.block:
        return f"{shown.block['size']} items"
    at_most = f", {shown.block['max']} items at most" if "max" in shown.block else ""
    seconds = shown.block.get("seconds")
    return f"as many items as take {f'{seconds:g}' if isinstance(seconds, float) else seconds} s{at_most}"


def _local_time(text: str) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(date_of(text)))
