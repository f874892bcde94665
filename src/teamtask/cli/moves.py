"""`teamtask pause`, `resume`, `cancel` and `grow`: what an owner tells a list."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from teamtask.cli.arguments import name_argument, place_options, whole_number
from teamtask.cli.find_list import find_list
from teamtask.cli.output import say
from teamtask.cli.send_lines import open_lines
from teamtask.ledger.big_numbers import counted
from teamtask.ledger.list_state import ListState, Move

if TYPE_CHECKING:
    from teamtask.cli.door import Door
    from teamtask.cli.servers import Place
    from teamtask.wire.views import Worklist


@click.command(short_help="Hand out nothing more for now.")
@name_argument
@place_options
def pause(*, name: str | None, place: Place) -> None:
    """Hand out nothing more for now; workers finish what they have, and wait.

    A local run that works on it finishes what is in hand, and ends.

    \b
    Examples:
      teamtask pause primes
      teamtask resume primes
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    with find_list(name, place) as found:
        _say_moved(found, found.move(Move.PAUSE))


@click.command(short_help="Go on with a list that is paused, cancelled or stopped.")
@name_argument
@place_options
def resume(*, name: str | None, place: Place) -> None:
    """Go on with a list that is paused, cancelled or stopped.

    \b
    Examples:
      teamtask resume primes
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    with find_list(name, place) as found:
        _say_moved(found, found.move(Move.RESUME))


@click.command(short_help="Hand out nothing more.")
@name_argument
@place_options
def cancel(*, name: str | None, place: Place) -> None:
    """Hand out nothing more; workers finish what they have, and go home. What is done stays done.

    \b
    Examples:
      teamtask cancel primes
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    with find_list(name, place) as found:
        _say_moved(found, found.move(Move.CANCEL))


@click.command(short_help="Add items to a list.")
@name_argument
@click.argument("items", required=False, metavar="[FILE]")
@place_options
@click.option("--size", metavar="N", help="Make a range longer: N items in all.")
def grow(*, name: str | None, items: str | None, place: Place, size: str | None) -> None:
    """Add items at the end of a list: lines of a FILE, - for a pipe, or with --size more of a range.

    Of a list that awaits its items they are the first. A shuffled list cannot grow; the lines of a local run are
    those of its own file.

    \b
    Examples:
      teamtask grow primes --size 2000000000
      teamtask grow hosts more-hosts.txt
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    if (items is None) == (size is None):
        raise click.UsageError("Say what is to be added: a FILE of lines, - for a pipe, or --size N of a range.")
    number = None if size is None else whole_number(size, "--size")
    with find_list(name, place) as found, nullcontext() if items is None else open_lines(items) as lines:
        changed = found.grow(number or 0) if lines is None else found.add_lines(lines.batches())
        if lines is not None and lines.blank:
            say(f"Blank lines skipped: {lines.blank}.")
        added = counted(changed.changed, "was", "were")
        say(f"{added} added to {found.name}, which has {counted(changed.list.size, 'item', 'items')} now.")
        again = found.again()
        if again is not None and changed.changed:
            say(f"To work them: {again}")


def _say_moved(found: Door, shown: Worklist) -> None:
    say(f"{found.name} is {shown.state}.")
    again = found.again()
    if shown.state == ListState.RUNNING and again is not None:
        say(f"To work it: {again}")
    elif shown.state == ListState.PAUSED and again is None:
        say(f"`teamtask resume {found.name}` goes on with it.")
