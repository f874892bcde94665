"""`teamtask workers`: who works, on which list, how fast, and when they were seen last."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from teamtask.cli.arguments import name_argument, output_option, place_options, watch_option
from teamtask.cli.find_list import find_list
from teamtask.cli.output import names_text, page_text, say, say_data, watch
from teamtask.cli.servers import need_server
from teamtask.cli.tables import rate_text, seconds_text, table, terminal_width
from teamtask.cli.text import compact, date_of
from teamtask.local.processes import shown_worker

if TYPE_CHECKING:
    from teamtask.cli.servers import Place
    from teamtask.wire.views import Worker

COLUMNS = ("WORKER", "STATE", "BLOCKS", "RATE", "DONE", "FAILED")
LIST_COLUMNS = ("LIST", "SEEN")
WIDE_COLUMNS = ("PRINCIPAL", "ID")


@click.command(short_help="Show who works.")
@name_argument
@place_options
@output_option("wide", "json", "name", text="More columns, the API's form, or names alone.")
@watch_option
def workers(*, name: str | None, place: Place, output: str | None, watching: bool) -> None:
    """Show the workers of a list, or of all lists of a server that you may see.

    A worker is active while it holds a block or has asked for one lately. SEEN says how long ago it was heard of.

    \b
    Examples:
      teamtask workers
      teamtask workers primes -o wide
      teamtask workers -w
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"

    def draw() -> tuple[str, bool]:
        return _text(_workers(name, place), output), False

    if watching:
        watch(draw)
        return
    text = draw()[0]
    say_data(text)
    if not text:
        say("Nobody has worked here yet.")


def worker_cells(worker: Worker) -> list[str]:
    """Give the cells of COLUMNS."""
    done, failed = compact(worker.done), compact(worker.failed)
    state = worker.state + (f": {worker.reason}" if worker.reason else "")
    return [shown_worker(worker.name), state, str(worker.blocks), rate_text(worker.rate), done, failed]


def _workers(name: str | None, place: Place) -> list[Worker]:
    if name is None and place.state is None:
        server = need_server(place)
        from teamtask.cli.server_door import workers_of

        return list(workers_of(server, None))
    with find_list(name, place) as found:
        return list(found.workers())


def _text(found: list[Worker], output: str | None) -> str:
    if output == "json":
        return page_text(found)
    if output == "name":
        return names_text(worker.name for worker in found)
    if not found:
        return ""
    columns = COLUMNS + LIST_COLUMNS + (WIDE_COLUMNS if output == "wide" else ())
    return table(columns, [_cells(worker)[: len(columns)] for worker in found], terminal_width())


def _cells(worker: Worker) -> list[str]:
    seen = None if worker.last_seen_at is None else max(0.0, time.time() - date_of(worker.last_seen_at))
    return [*worker_cells(worker), worker.list, seconds_text(seen), worker.principal, worker.id]
