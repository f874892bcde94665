"""`teamtask results`: the outcomes of a list, as a table for people or a stream for scripts."""

from __future__ import annotations

import sys
import time
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import click

from teamtask.cli.arguments import name_argument, output_option, place_options, whole_number
from teamtask.cli.export import pieces
from teamtask.cli.find_list import find_list
from teamtask.cli.output import say, say_data
from teamtask.cli.tables import Layout, terminal_width
from teamtask.ledger.list_state import FINISHED
from teamtask.local.processes import shown_worker
from teamtask.service.result_stream import Wanted, any_digits
from teamtask.wire.result_lines import json_bytes, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.cli.door import Door
    from teamtask.cli.servers import Place
    from teamtask.wire.result_lines import ResultLine

COLUMNS = ("INDEX", "ITEM", "STATUS", "RESULT")
WIDE_COLUMNS = ("WORKER", "SEQ")
FOLLOW_SECONDS = 0.5
_MEASURED = 200  # rows that decide how wide the columns are
_CELL_CHARACTERS = 1_000  # of a value; no terminal shows more
_SEQ_MAX = 2**63 - 1


@click.command(short_help="Show the outcomes of items.")
@name_argument
@place_options
@output_option("table", "wide", "csv", "ndjson", "json", text="A table is for terminals; elsewhere csv is given.")
@click.option("--from", "first", metavar="INDEX", help="From this index on.")
@click.option("--ok/--failed", default=None, help="Only those that are ok, or that failed.")
@click.option("--since", type=click.IntRange(0, _SEQ_MAX), metavar="SEQ", help="In order of arrival, from this one on.")
@click.option("-f", "--follow", is_flag=True, help="In order of arrival, as they come, until the list is finished.")
def results(
    *, name: str | None, place: Place, output: str | None, first: str | None, ok: bool | None, since: int | None,
    follow: bool,
) -> None:  # fmt: skip
    """Show the outcomes of items in order of index, or of arrival.

    csv has the columns index, item, ok, result, worker and seq: text as it is, other values as JSON. Text that
    begins with = + - @, a tab or a carriage return gets an apostrophe before it: no spreadsheet takes it for a formula.
    ndjson and json have objects of the same fields. What a Python function returned is shown as JSON if it can be, else
    as Python shows it.

    \b
    Examples:
      teamtask results hosts-1f2e3d4c
      teamtask results hosts-1f2e3d4c --failed -o csv > failed.csv
      teamtask results primes -o ndjson | jq -r 'select(.result) | .item'
      teamtask results primes -f -o ndjson
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    if first is not None and (since is not None or follow):
        raise click.UsageError("--from goes by index, --since and --follow by arrival; give one of them.")
    form = output or _default_form(follow=follow)
    if follow and form not in ("csv", "ndjson"):
        raise click.UsageError(f"With --follow there is no end of a {form}; use -o ndjson or csv.")
    index = 0 if first is None else whole_number(first, "INDEX")
    wanted = Wanted(index, since, ok)
    with find_list(name, place) as found, any_digits():
        lines = _arriving(found, since or 0, ok) if follow else found.results(wanted)
        if form in ("table", "wide"):
            _say_table(lines, found.name, wide=form == "wide")
            return
        stream = sys.stdout.buffer
        for piece in pieces(lines, form):
            stream.write(piece)
        stream.flush()


def _default_form(*, follow: bool) -> str:
    if not sys.stdout.isatty():
        return "csv"
    return "ndjson" if follow else "table"


def _arriving(found: Door, since: int, ok: bool | None) -> Iterator[ResultLine]:  # noqa: FBT001 - None is the third value
    """Give results as they arrive, until the list is finished or somebody types Ctrl-C."""
    try:
        while True:
            finished = found.show().state in FINISHED  # before they are read: what comes later is read the next time
            for line in found.results(Wanted(since=since)):
                since = line.seq + 1
                if ok is None or line.ok is ok:
                    yield line
            if finished:
                return
            sys.stdout.buffer.flush()
            time.sleep(FOLLOW_SECONDS)
    except KeyboardInterrupt:
        return


def _say_table(lines: Iterator[ResultLine], name: str, *, wide: bool) -> None:
    columns = COLUMNS + WIDE_COLUMNS if wide else COLUMNS
    rows = (_cells(line)[: len(columns)] for line in lines)
    sample = list(islice(rows, _MEASURED))
    if not sample:
        say(f"There are no such results of {name}.")
        return
    layout = Layout(columns, sample, terminal_width())
    say_data(layout.head())
    shown = chain(sample, rows)
    while some := "".join(map(layout.row, islice(shown, _MEASURED))):
        say_data(some)


def _cells(line: ResultLine) -> list[str]:
    return [
        str(line.index),
        "-" if line.item is None else _text(line.item),
        "ok" if line.ok else "failed",
        _outcome(plain(line.result, line.codec)),
        shown_worker(line.worker),
        str(line.seq),
    ]


def _outcome(result: Any) -> str:  # noqa: ANN401 - any JSON
    """Give a result for people: of a command how it ended and what it said."""
    if not isinstance(result, dict) or not {"exit", "seconds", "output"} <= result.keys():
        return _text(result)
    if result.get("timed_out"):
        ending = f"timed out after {result['seconds']} s"
    else:
        ending = f"signal {result['signal']}" if result.get("signal") else f"exit {result['exit']}"
    output = str(result["output"])[:_CELL_CHARACTERS].strip()
    return f"{ending}: {output}" if output else ending


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON
    return (value if isinstance(value, str) else json_bytes(value).decode())[:_CELL_CHARACTERS]
