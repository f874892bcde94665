"""`run --python`: the work of a run with a Python function, and what it would call."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from teamtask.cli.text import printable
from teamtask.local.open_run import first_items
from teamtask.local.work_function import function_work
from teamtask.worker.work_functions import FunctionWatcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from teamtask.cli.run_display import RunDisplay
    from teamtask.local.open_run import OpenedRun
    from teamtask.local.run_request import RunRequest
    from teamtask.local.work_run import WorkOptions
    from teamtask.worker.work_functions import FunctionWork


class _Display(FunctionWatcher):
    """Shows progress; results are kept, and not written."""

    def __init__(self, display: RunDisplay) -> None:
        self._display = display

    def tick(self, running: int) -> None:
        """Show how far it is."""
        self._display.tick(running)


@contextmanager
def python_work(
    function: Callable[[Any], Any], opened: OpenedRun, display: RunDisplay, options: WorkOptions
) -> Iterator[FunctionWork]:
    """Make the work of a run with a function."""
    with function_work(opened, function, _Display(display), options) as work:
        yield work


def show_calls(request: RunRequest, count: int) -> None:
    """Write the first calls that would be made."""
    items = first_items(request, count + 1)
    for item in islice(items, count):
        click.echo(printable(f"{request.python}({item!r})"))
    if len(items) > count:
        click.echo("...", err=True)
