"""What is said at the end of a run: how it went, what failed, how to go on; and the exit code."""

from __future__ import annotations

import json
import time
from itertools import islice
from typing import TYPE_CHECKING

import click

from teamtask.cli.shell_text import shell_text, typed_flags
from teamtask.cli.text import compact, duration, printable
from teamtask.ledger.list_state import FINISHED, ListState
from teamtask.local.state_files import path_of
from teamtask.service.result_stream import any_digits
from teamtask.service.results import results_by_index
from teamtask.worker.placeholders import text_of
from teamtask.worker.portable import text_of_error

if TYPE_CHECKING:
    from teamtask.cli.run_display import RunDisplay
    from teamtask.local.open_run import OpenedRun
    from teamtask.service.service import ListView

FAILED_SHOWN = 10
FAILED_MAX = 100  # that an exit code can count
ITEM_CHARACTERS = 60


def run_exit_code(opened: OpenedRun) -> int:
    """Give the number of failed items up to 100, 101 for more, as GNU parallel does."""
    with opened.service.view(opened.record) as view:
        return min(view.ledger.failed + len(view.ledger.parked), FAILED_MAX + 1)


def everything_failed(opened: OpenedRun) -> bool:
    """Tell whether some items are done, and all of them failed."""
    with opened.service.view(opened.record) as view:
        return 0 < view.ledger.done.size == view.ledger.failed


def finished_before(opened: OpenedRun) -> int:
    """Say that there is nothing to do, since when, and how it can be done again."""
    with opened.service.view(opened.record) as view:
        ledger = view.ledger
        date = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(ledger.moved_at))
        failed = ledger.failed + len(ledger.parked)
        _say(f"{opened.record.name} was finished on {date}: {_ok(view)} ok, {compact(failed)} failed. Nothing to do.")
        _show_fold(view)
        _say_failed(opened, view)
    _say("--fresh works it all again.")
    return run_exit_code(opened)


def say_beginning(opened: OpenedRun) -> None:
    """Say what is not as one would think: lines left out, a run that goes on, items that were added."""
    if opened.blank:
        _say(f"Blank lines skipped: {opened.blank}.")
    if opened.begun:
        return
    with opened.service.view(opened.record) as view:
        ledger = view.ledger
        added = f", {_items(opened.grown)} added" if opened.grown else ""
        done = f"{compact(ledger.done.size)} of {compact(ledger.size)} are done"
        _say(f"Going on with {opened.record.name}: {done}{added}.")


def summarise(opened: OpenedRun, display: RunDisplay, *, halted: bool, interrupted: bool, reason: str | None) -> None:
    """Say how it went."""
    with opened.service.view(opened.record) as view:
        ledger = view.ledger
        left = ledger.size - ledger.done.size - len(ledger.parked)
        failed = ledger.failed + len(ledger.parked)
        _say(f"{_ok(view)} ok, {compact(failed)} failed, {duration(display.seconds)}")
        _show_fold(view)
        if failed:
            _say_failed(opened, view)
        if display.trouble is not None:
            _say(f"{display.trouble}, so nothing more was begun.")
        if halted:
            _say("Stopped after failures.")
        if reason and (halted or ledger.state is ListState.PAUSED):
            _say(printable(reason))
        if left and (halted or interrupted or ledger.state not in FINISHED):
            _say(f"{compact(left)} left; the same command goes on where it stopped.")


def _say_failed(opened: OpenedRun, view: ListView) -> None:
    ledger = view.ledger
    if not ledger.failed and not ledger.parked:
        return
    for result in islice(results_by_index(view.reader, opened.id, ok=False), FAILED_SHOWN):
        item = opened.source.item(result.index)
        _say(f"  {result.index}  {shortened(item)}  {_why(result.value)}")
    for index, parked in sorted(ledger.parked.items())[:FAILED_SHOWN]:
        _say(f"  {index}  {shortened(opened.source.item(index))}  parked: {printable(parked.error)}")
    _say_how_to_retry(opened, parked=bool(ledger.parked))


def _say_how_to_retry(opened: OpenedRun, *, parked: bool) -> None:
    local = opened.definition.local
    if local is None or local.typed[:1] != ("run",):
        return
    if local.identity.get("file") != "-":
        _say("To try them again: " + shell_text(["teamtask", "run", "--retry-failed", *typed_flags(local.typed[1:])]))
        return
    which = [opened.record.name]  # what came through the pipe is not on the command line
    if opened.path != path_of(opened.record.name):
        which += ["--state", str(opened.path)]
    _say("To try them again: " + shell_text(["teamtask", "rerun", *which, "--failed"]))
    if parked:
        _say("               and: " + shell_text(["teamtask", "unpark", *which]))
    _say("Then give the same command again, with the same items in its pipe.")


def _show_fold(view: ListView) -> None:
    """Write the fold of a finished list to stdout: of a part it would be taken for that of the whole."""
    if view.ledger.state in FINISHED and view.ledger.fold is not None:
        with any_digits():
            click.echo(json.dumps(view.ledger.fold))


def _why(value: object) -> str:
    if isinstance(value, dict) and "exit" in value:
        if value.get("timed_out"):
            return f"timed out after {value['seconds']:.1f} s"
        how = f"signal {value['signal']}" if value.get("signal") else f"exit {value['exit']}"
        return f"{how}: {shortened(value['error'])}" if value.get("error") else how
    if isinstance(value, BaseException):
        return shortened(text_of_error(value))
    return shortened(value)


def shortened(item: object) -> str:
    """Give an item, or another value, in 60 printable characters at most."""
    text = printable(text_of(item)).replace("\n", "\\n")
    return text if len(text) <= ITEM_CHARACTERS else text[: ITEM_CHARACTERS - 1] + "…"


def _ok(view: ListView) -> str:
    return compact(view.ledger.done.size - view.ledger.failed)


def _items(count: int) -> str:
    return "1 item was" if count == 1 else f"{compact(count)} items were"


def _say(text: str) -> None:
    click.echo(text, err=True)
