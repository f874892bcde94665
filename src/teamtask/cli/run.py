"""`teamtask run`: flags into a run, the run into a progress bar, output, a summary and an exit code."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from teamtask.cli.export import check_export, export_results
from teamtask.cli.run_display import RunDisplay
from teamtask.cli.run_flags import RunCommand, request_of_flags, say_where_the_item_was, typed_words
from teamtask.cli.run_options import run_options
from teamtask.cli.run_sharing import shared_run_of_flags
from teamtask.cli.run_summary import everything_failed, finished_before, run_exit_code, say_beginning, summarise
from teamtask.cli.shell_text import shell_text
from teamtask.cli.source_options import source_options
from teamtask.ledger.list_state import FINISHED, ListState, Move
from teamtask.local.open_run import first_items, open_run
from teamtask.local.state_files import KEPT_DAYS, tidy
from teamtask.local.work_run import WorkOptions, command_work, template_of
from teamtask.worker.interruptible import interruptible
from teamtask.worker.run_command import CommandRunner
from teamtask.worker.slots import ensure_open_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from teamtask.local.open_run import OpenedRun
    from teamtask.local.run_request import RunRequest
    from teamtask.worker.placeholders import Template
    from teamtask.worker.worker_loop import WorkerLoop

    Working = Callable[[OpenedRun, RunDisplay, WorkOptions], AbstractContextManager[WorkerLoop[Any]]]

INTERRUPTED, RUN_ERROR = 130, 255
SHOWN_BY_DRY_RUN = 10


@click.command(cls=RunCommand, options_metavar="[OPTIONS]", short_help="Run a command for each item.")
@click.argument("items", required=False, metavar="[ITEMS] -- COMMAND [ARG]... [::: ITEM...]")
@click.argument("surplus", nargs=-1, type=click.UNPROCESSED, metavar="")
@source_options
@run_options
@click.pass_context
def run(ctx: click.Context, /, items: str | None, surplus: tuple[str, ...], **flags: Any) -> None:  # noqa: ANN401 - click's
    """Run a command for each item of a list; the same line again goes on where it stopped.

    ITEMS is a file with one item a line, or - for a pipe; or give ::: ITEM..., or a source such as --range.
    {} in COMMAND is the item; without it the item is the last argument. Also {.} {/} {//} {#} {index}.
    Every outcome is kept: `teamtask results NAME` shows them.

    With --per-block a command gets TEAMTASK_INDEX, TEAMTASK_SIZE and {index} {size}, and may append lines to the
    file $TEAMTASK_REPORT: `result INDEX JSON`, `upto INDEX`, `fold JSON`.

    \b
    Examples:
      teamtask run hosts.txt -- ping -c1 -W1 {}
      find . -name '*.wav' -print0 | teamtask run -0 - -- flac {}
      teamtask run -j4 -- convert {} {.}.png ::: *.jpg
      teamtask run --range 2:1000 -- ./is-prime {}
      teamtask run --axis rate=0.1,0.2 --axis depth=1,2,3 -- ./train --rate={rate} --depth={depth}
      teamtask run --strings abc --length 6 --per-block -- ./try-words
      teamtask run --range 1:1000000 --python mymodule:is_prime
      teamtask run --retry-failed hosts.txt -- ping -c1 -W1 {}
      teamtask run --share hosts.txt -- ./measure {}

    Exit status: the number of failed items up to 100, 101 for more, 255 for errors, 130 after Ctrl-C.
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    request = request_of_flags(items, surplus, ctx.meta["command"], flags)
    files = ensure_open_files(flags["jobs"])
    if files.sentence:
        click.echo(f"teamtask: {files.sentence}", err=True)
    options = WorkOptions(
        files.slots, flags["retries"], flags["timeout"], flags["halt_after"], whole_output=not flags["quiet"]
    )
    working: Working
    if request.python is not None:
        from teamtask.cli.run_python import python_work, show_calls  # most runs need neither
        from teamtask.local.python_function import load_function

        show, working = partial(show_calls, request), partial(python_work, load_function(request.python))
    else:
        template = template_of(request)
        show, working = partial(_show, request, template), partial(_command_work, request, template)
    if flags["dry_run"]:
        show(SHOWN_BY_DRY_RUN)
        return
    if flags["results"] is not None:
        check_export(flags["results"])
    opened = open_run(request, typed_words(), _confirm)
    for name in tidy(time.time(), spared=opened.path):
        click.echo(f"{name} ended more than {KEPT_DAYS} days ago and was tidied away.", err=True)
    try:
        code = _work(opened, request, working, options, flags)
        if flags["results"] is not None:
            export_results(opened.service, opened.record, opened.source, flags["results"])
    finally:
        opened.close()
    ctx.exit(code)


def _show(request: RunRequest, template: Template, count: int) -> None:
    items = first_items(request, count + 1)
    if request.per_block:
        click.echo(shell_text(map(os.fsdecode, template.expand(None, 0, 1))))
        return
    for index, item in enumerate(islice(items, count)):
        click.echo(shell_text(map(os.fsdecode, template.expand(item, index, index + 1))))
    if len(items) > count:
        click.echo("...", err=True)


def _confirm(question: str) -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty() and click.confirm(question, err=True)


def _work(opened: OpenedRun, request: RunRequest, working: Working, options: WorkOptions, flags: dict[str, Any]) -> int:
    if request.retry_failed:
        opened.service.rerun(opened.id, None, failed=True)
        opened.service.unpark(opened.id, None)
    with opened.service.view(opened.record) as view:
        state = view.ledger.state
    if state in FINISHED:
        return finished_before(opened)
    if state is not ListState.RUNNING:
        opened.service.move(opened.id, Move.RESUME)
    say_beginning(opened)
    progress = partial(opened.service.progress, opened.id)
    display = RunDisplay(progress, tag=flags["tag"], keep_order=flags["keep_order"], quiet=flags["quiet"])
    with shared_run_of_flags(opened, flags):
        with working(opened, display, options) as work:
            display.stop = work.stop
            with interruptible(work) as interrupted, display:
                work.run()
        summarise(opened, display, halted=work.halted, interrupted=bool(interrupted), reason=work.reason)
        if not request.per_block and everything_failed(opened):
            say_where_the_item_was(request.command)
    if interrupted:
        return INTERRUPTED
    code = run_exit_code(opened)
    return RUN_ERROR if display.trouble is not None or (work.halted and not code) else code


@contextmanager
def _command_work(
    request: RunRequest, template: Template, opened: OpenedRun, display: RunDisplay, options: WorkOptions
) -> Iterator[WorkerLoop[Any]]:
    with CommandRunner[Any](
        options.jobs, timeout_seconds=options.timeout_seconds, whole_output=options.whole_output
    ) as runner:
        yield command_work(opened, request, template, runner, display, options)
