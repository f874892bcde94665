"""The flags that say how items are worked, for `run` and `work`, and what becomes of the outcomes of a run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from teamtask.ledger.errors import InvalidField
from teamtask.settings import Bind, parse_bind
from teamtask.worker.slots import parse_jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    Decorated = TypeVar("Decorated", bound=Callable[..., Any])

TIMEOUT_SECONDS_MAX = 10 * 366 * 86_400
EVERYWHERE = ":0"  # every address of this machine, any free port
BLOCK_SECONDS_MAX = 7 * 86_400  # as the rules of a list allow


class Seconds(click.FloatRange):
    """A finite number in a range: `nan` is neither below nor above any bound."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401 - click's signature
        """Read a number of seconds. Raises BadParameter."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a number of seconds.", param, ctx)
        return number


class BindType(click.ParamType[Bind]):
    """HOST:PORT, [IPV6]:PORT or :PORT."""

    name = "bind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Bind:  # noqa: ANN401 - click's signature
        """Read an address to listen on. Raises BadParameter."""
        try:
            return parse_bind(str(value))
        except InvalidField as error:
            self.fail(f"{error.message} {error.hint}", param, ctx)


class Jobs(click.ParamType[int]):
    """How many at once: a number, or a percentage of the CPUs."""

    name = "jobs"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401 - click's signature
        """Read how many. Raises BadParameter."""
        try:
            return parse_jobs(str(value))
        except InvalidField as error:
            self.fail(f"{error.message} {error.hint}", param, ctx)


def is_bind(text: str) -> bool:
    """Tell whether that is an address to listen on."""
    try:
        parse_bind(text)
    except InvalidField:
        return False
    return True


_WORKING = [
    click.option(
        "-j",
        "--jobs",
        type=Jobs(),
        default="100%",
        metavar="N|P%",
        help="So many at once; by default one for each CPU.",
    ),
    click.option("-0", "--null", is_flag=True, help="Items end in NUL, not in a newline."),
    click.option("--retries", type=click.IntRange(0, 1000), default=0, help="Try a failed item so often again."),
    click.option(
        "--timeout",
        type=Seconds(0, TIMEOUT_SECONDS_MAX, min_open=True),
        metavar="SECONDS",
        help="End a command or call, and all that it began, after so long.",
    ),
    click.option("--halt-after", type=click.IntRange(1), metavar="N", help="Begin nothing more after N failed items."),
    click.option("-k", "--keep-order", is_flag=True, help="Output in order of index, not of completion."),
    click.option("--tag", is_flag=True, help="Begin each line of output with its item and a tab."),
    click.option("-q", "--quiet", is_flag=True, help="No output of the commands; it is kept all the same."),
    click.option("--shell", is_flag=True, help="COMMAND is text for /bin/sh; items are quoted."),
    click.option("--per-block", is_flag=True, help="A command for each block of items; they come on its stdin."),
    click.option(
        "--python",
        metavar="MODULE:FUNCTION",
        help="Call a Python function for each item, also one of a module in this folder.",
    ),
]
_OF_A_RUN = [
    click.option(
        "--fold",
        metavar="NAME",
        help="Keep one value for all results, not each of them, and print it at the end: count, sum, min, max, any, "
        "all, top=K, histogram=EDGES.",
    ),
    click.option("--block-size", type=click.IntRange(1), metavar="N", help="Blocks of N items, always."),
    click.option(
        "--block-seconds",
        type=Seconds(0, BLOCK_SECONDS_MAX, min_open=True),
        metavar="S",
        help="Blocks that take about S seconds.",
    ),
    click.option(
        "--results",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="At the end write all outcomes there: .csv, .ndjson or .json.",
    ),
    click.option("--name", metavar="NAME", help="Give the run a name of its own."),
    click.option(
        "--state", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Keep the state there."
    ),
    click.option("--fresh", is_flag=True, help="Forget what was done and start anew."),
    click.option("--retry-failed", is_flag=True, help="Work the failed items again, then what is left."),
    click.option(
        "--share",
        type=BindType(),
        metavar="[HOST:PORT]",
        help="Let workers on other machines join, and say what to type there; on all addresses and any free port, "
        "unless it is followed by one.",
    ),
    click.option("--dry-run", is_flag=True, help="Show the first commands and run nothing."),
]


def run_options(command: Decorated) -> Decorated:
    """Add all flags of `run` to a command, in the order in which its help shows them."""
    for option in reversed(_OF_A_RUN):
        command = option(command)
    return working_options(command)


def working_options(command: Decorated) -> Decorated:
    """Add the flags that say how items are worked."""
    for option in reversed(_WORKING):
        command = option(command)
    return command
