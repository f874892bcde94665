"""`teamtask blocks` and `teamtask ranges`: which parts of a list are leased, done, returned or parked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from teamtask.cli.arguments import name_argument, output_option, server_options, watch_option
from teamtask.cli.find_list import find_list
from teamtask.cli.local_door import is_there
from teamtask.cli.output import names_text, page_text, say, say_data, watch
from teamtask.cli.servers import Place
from teamtask.cli.tables import seconds_text, table, terminal_width
from teamtask.ledger.list_state import FINISHED
from teamtask.local.processes import is_dead, shown_worker
from teamtask.service.service import NoSuchList
from teamtask.service.views import RangeState
from teamtask.wire.interval_text import interval_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from teamtask.wire.views import Block, Range

    Decorated = TypeVar("Decorated", bound=Callable[..., Any])

COLUMNS = ("NAME", "READY", "STATUS", "RESTARTS", "INDEX", "SIZE")
WIDE_COLUMNS = ("WORKER", "LEASE")
_STATES = tuple(map(str, RangeState))


def states_option(command: Decorated) -> Decorated:
    """Add --state, which names a state of ranges or, as everywhere, a state file; or both, given twice."""
    return click.option(
        "--state",
        "states",
        multiple=True,
        metavar="|".join((*_STATES, "FILE")),
        help="What is in this state. With anything else: the list of this state file; NAME can be left out then.",
    )(command)


def state_and_place(states: tuple[str, ...], place: Place) -> tuple[RangeState | None, Place]:
    """Tell the two meanings of --state apart. Raises UsageError when one is given twice."""
    named = [RangeState(value) for value in states if value in _STATES]
    files = [Path(value) for value in states if value not in _STATES]
    if len(named) > 1 or len(files) > 1:
        raise click.UsageError(f"--state is given as {' and as '.join(states)}; give one of them.")
    if files and not is_there(files[0]):
        raise NoSuchList(
            f"{str(files[0])!r:.200} is no state, and there is no state file of that name.",
            hint=f"States are {', '.join(_STATES)}; a state file is a path.",
        )
    return next(iter(named), None), Place(files[0]) if files else place


@click.command(short_help="Show the blocks that are worked on.")
@name_argument
@states_option
@server_options
@output_option("wide", "json", "name", text="More columns, the API's form, or names alone.")
@watch_option
def blocks(*, name: str | None, states: tuple[str, ...], place: Place, output: str | None, watching: bool) -> None:
    """Show the blocks of a list that are being worked on; of a finished list, what it has become: one block.

    With --state: what is done, returned or parked, its ranges merged and shown as blocks. READY is 1/1 where somebody
    is at work, or all is done; STATUS Lost says that the process is dead, Expired that its lease is over.

    \b
    Examples:
      teamtask blocks primes
      teamtask blocks primes -o wide
      teamtask blocks primes --state done
      teamtask blocks primes --state parked -o json
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    state, place = state_and_place(states, place)
    with find_list(name, place) as found:

        def draw() -> tuple[str, bool]:
            finished = found.show().state in FINISHED
            return _blocks_text(list(found.blocks(state)), output), finished

        if watching:
            watch(draw)
            return
        text = _blocks_text(list(found.blocks(state)), output)
        say_data(text)
        if not text:
            say(_nothing(found.name, state))


@click.command(short_help="Show which indices are done, leased, returned or parked.")
@name_argument
@states_option
@server_options
@output_option("json", "text", text="The API's form, or interval text as --ranges takes it.")
def ranges(*, name: str | None, states: tuple[str, ...], place: Place, output: str | None) -> None:
    """Show the merged ranges of what is done, or with --state of what is leased, returned or parked.

    \b
    Examples:
      teamtask ranges primes
      teamtask ranges primes --state returned -o json
      teamtask rerun primes --ranges "$(teamtask ranges primes -o text)"
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    state, place = state_and_place(states, place)
    state = state or RangeState.DONE
    with find_list(name, place) as found:
        text = _ranges_text(list(found.ranges(state)), output)
        say_data(text)
        if not text:
            say(_nothing(found.name, state))


def _nothing(name: str, state: RangeState | None) -> str:
    if state is None:
        return f"No block of {name} is being worked on; --state done shows what is done."
    return f"Nothing of {name} is {state}."


def _blocks_text(blocks: list[Block], output: str | None) -> str:
    if output == "json":
        return page_text(blocks)
    if output == "name":
        return names_text(block.name for block in blocks)
    if not blocks:
        return ""
    columns = COLUMNS + WIDE_COLUMNS if output == "wide" else COLUMNS
    return table(columns, [_cells(block)[: len(columns)] for block in blocks], terminal_width())


def _cells(block: Block) -> list[str]:
    ready, status = _status(block)
    return [
        block.name,
        ready,
        status,
        str(block.restarts),
        str(block.index),
        str(block.size),
        "-" if block.worker is None else shown_worker(block.worker),
        seconds_text(block.expires_in_seconds),
    ]


def _status(block: Block) -> tuple[str, str]:
    if block.worker is None:
        return ("1/1" if block.state == RangeState.DONE else "0/1"), block.state.capitalize()
    if is_dead(block.worker):
        return "0/1", "Lost"
    if block.expires_in_seconds == 0:
        return "0/1", "Expired"
    return "1/1", "Ready"


def _ranges_text(found: list[Range], output: str | None) -> str:
    if output == "json":
        return page_text(found)
    if not found:
        return ""
    if output == "text":
        return interval_text((each.index, each.index + each.size) for each in found) + "\n"
    rows = [(str(each.index), str(each.size)) for each in found]
    return table(("INDEX", "SIZE"), rows, terminal_width())
