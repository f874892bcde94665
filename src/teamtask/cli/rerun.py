"""`teamtask rerun` and `teamtask unpark`: bring items back, to be worked again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from teamtask.cli.arguments import name_argument, place_options
from teamtask.cli.find_list import find_list
from teamtask.cli.output import say
from teamtask.ledger.big_numbers import counted
from teamtask.ledger.list_state import ListState

if TYPE_CHECKING:
    from teamtask.cli.door import Door
    from teamtask.cli.servers import Place
    from teamtask.wire.views import Changed


@click.command(short_help="Bring done items back, to be worked again.")
@name_argument
@place_options
@click.option("--failed", is_flag=True, help="Those whose outcome is not ok.")
@click.option("--ranges", "text", metavar="INTERVALS", help="Those with these indices, as in 0-99,200,300-.")
@click.option("--all", "everything", is_flag=True, help="All that are done.")
def rerun(*, name: str | None, place: Place, failed: bool, text: str | None, everything: bool) -> None:
    """Bring done items back, to be worked again; their outcomes are forgotten.

    INTERVALS are separated by commas: an index (200), a range with both ends (0-99), or everything from an index on
    (300-). With --failed, only what failed of them. A list with a fold is rerun whole.

    \b
    Examples:
      teamtask rerun hosts-1f2e3d4c --failed
      teamtask rerun primes --ranges 0-99,200,300-
      teamtask rerun primes --all
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    if everything and (failed or text is not None):
        raise click.UsageError("--all is everything; leave it away, or --failed and --ranges.")
    if not (everything or failed or text is not None):
        raise click.UsageError("Say what is to be worked again: --failed, --ranges INTERVALS or --all.")
    with find_list(name, place) as found:
        if everything:
            shown = found.show()
            text = f"{shown.start}-" if shown.size else None
        changed = found.rerun(text, failed=failed or text is None)
        _say_changed(found, changed, "is to be worked again", "are to be worked again", "Nothing of that is done")


@click.command(short_help="Bring parked items back.")
@name_argument
@place_options
@click.option("--ranges", "text", metavar="INTERVALS", help="Only those with these indices, as in 0-99,200,300-.")
def unpark(*, name: str | None, place: Place, text: str | None) -> None:
    """Bring items back that were set aside after too many tries.

    \b
    Examples:
      teamtask blocks primes --state parked
      teamtask unpark primes
      teamtask unpark primes --ranges 4120007
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    with find_list(name, place) as found:
        changed = found.unpark(text)
        _say_changed(found, changed, "is no longer parked", "are no longer parked", "Nothing of that is parked")


def _say_changed(found: Door, changed: Changed, one: str, many: str, nothing: str) -> None:
    if not changed.changed:
        say(f"{nothing} in {found.name}.")
        return
    say(f"{counted(changed.changed, f'item of {found.name} {one}', f'items of {found.name} {many}')}.")
    if changed.left:
        say(f"{counted(changed.left, 'range is', 'ranges are')} left: give the command again when these are worked.")
    if changed.list.state != ListState.RUNNING:
        say(f"The list is {changed.list.state}.")
    again = found.again()
    if again is not None:
        say(f"To work them: {again}")
