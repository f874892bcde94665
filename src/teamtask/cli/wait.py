"""`teamtask wait`: waits until a list is finished, with a line of progress on a terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click

from teamtask.cli import output
from teamtask.cli.arguments import name_argument, place_options
from teamtask.cli.find_list import find_list
from teamtask.cli.run_options import Seconds
from teamtask.cli.text import compact
from teamtask.ledger.list_state import ListState
from teamtask.local.progress_line import ProgressLine
from teamtask.service.service import Progress

if TYPE_CHECKING:
    from teamtask.cli.door import Door
    from teamtask.cli.servers import Place
    from teamtask.wire.views import Worklist

PATIENCE_SECONDS: Final = 60.0  # a server that is started anew ends nobody's waiting
ENDED: Final = (ListState.COMPLETE, ListState.COMPLETE_EXCEPT, ListState.CANCELLED, ListState.STOPPED)


@click.command(short_help="Wait until a list is finished.")
@name_argument
@place_options
@click.option("--timeout", type=Seconds(0), metavar="SECONDS", help="Wait no longer than that.")
@click.pass_context
def wait(ctx: click.Context, /, *, name: str | None, place: Place, timeout: float | None) -> None:
    """Wait until a list is finished.

    Exits with 0 when it is complete, with 1 when it is complete but for parked items, cancelled or stopped, or when
    the time is over. A list that is paused is waited for.

    \b
    Examples:
      teamtask wait primes && teamtask results primes -o csv > primes.csv
      teamtask wait primes --timeout 3600
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    with find_list(name, place._replace(patience_seconds=PATIENCE_SECONDS)) as found:
        shown = _ended(found, timeout)
        if shown.state in ENDED:
            parked = f", {compact(shown.parked)} parked" if shown.parked else ""
            failed = f", {compact(shown.failed)} failed" if shown.failed else ""
            output.say(f"{found.name} is {shown.state}: {compact(shown.done)} done{failed}{parked}.")
        else:
            output.say(f"{found.name} is {shown.state} still: {compact(shown.done)} of {compact(shown.size)} done.")
    ctx.exit(0 if shown.state == ListState.COMPLETE else 1)


def _ended(found: Door, timeout: float | None) -> Worklist:
    """Give the list when it has ended, or as it is when the time is over."""
    until = None if timeout is None else time.monotonic() + timeout
    with ProgressLine() as line:
        while True:
            shown = found.show()
            left = output.WATCH_SECONDS if until is None else until - time.monotonic()
            if shown.state in ENDED or left <= 0:
                return shown
            if shown.size:
                line.set(Progress(shown.size, shown.done, shown.results, shown.failed), shown.workers)
                line.draw()
            time.sleep(min(left, output.WATCH_SECONDS))
