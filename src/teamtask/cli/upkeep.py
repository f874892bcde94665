"""`teamtask verify` and `teamtask backup`: what an owner does with state files, and with the store of a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from teamtask.cli.arguments import complete_runs, state_option
from teamtask.cli.find_list import path_of_run
from teamtask.cli.local_door import check_there, opened_file
from teamtask.cli.opened_store import opened_store, store_option
from teamtask.cli.output import say, say_data
from teamtask.cli.tables import cell
from teamtask.ledger.errors import TeamtaskError
from teamtask.local.state_files import state_files
from teamtask.service.verifying import verify_list
from teamtask.stores.shown_url import shown_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from teamtask.service.service import Service


@click.command(short_help="Check that nothing of a list is damaged.")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_runs)
@state_option
@store_option
@click.option("--all", "everything", is_flag=True, help="All the runs there are.")
@click.pass_context
def verify(
    ctx: click.Context, /, *, names: tuple[str, ...], state: Path | None, store: str | None, everything: bool
) -> None:
    """Check state files, ledgers and results: that they can be read, and agree.

    With --store also what a server keeps, which may run meanwhile. Exits with 1 when something is wrong, and says
    what.

    \b
    Examples:
      teamtask verify hosts-1f2e3d4c
      teamtask verify --all
      teamtask verify --state ~/.local/state/teamtask/server/lists.sqlite
      teamtask verify --store postgresql://teamtask@localhost/teamtask
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    if everything + bool(names) + (state is not None) + (store is not None) != 1:
        raise click.UsageError("Name the lists to verify, or give --all, or one --state FILE, or one --store URL.")
    checked = {path.stem: opened_file(path) for path in _paths(names, everything=everything)}
    if state is not None:
        check_there(state)
        checked[str(state)] = opened_file(state)
    if store is not None:
        checked[shown_url(store)] = opened_store(store)
    wrong = 0
    for name, opening in checked.items():
        findings = list(_findings(opening))
        wrong += bool(findings)
        for finding in findings or ["ok"]:
            say_data(f"{cell(name)}: {cell(finding)}\n")
    if not checked:
        say("There are no runs.")
    ctx.exit(1 if wrong else 0)


def _paths(names: tuple[str, ...], *, everything: bool) -> list[Path]:
    return state_files() if everything else [path_of_run(name) for name in names]


@click.command(short_help="Copy the state of a list to a file.")
@click.argument("words", nargs=-1, metavar="NAME FILE", shell_complete=complete_runs)
@state_option
@store_option
def backup(*, words: tuple[str, ...], state: Path | None, store: str | None) -> None:
    """Copy a list with all its results to a new file, also while it is being worked on.

    The copy is a state file: the other commands read it with --state, and it can be put back. With --store all that a
    server keeps is copied, from PostgreSQL too; `teamtask move` puts it back there.

    \b
    Examples:
      teamtask backup primes primes-monday.teamtask
      teamtask show --state primes-monday.teamtask
      teamtask backup --state ~/.local/state/teamtask/server/lists.sqlite monday.sqlite
      teamtask backup --store postgresql://teamtask@localhost/teamtask monday.sqlite
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    if state is not None and store is not None:
        raise click.UsageError("--state is a file and --store a server's; give one of them.")
    if len(words) != (1 if state is not None or store is not None else 2):
        raise click.UsageError("Give the list and the file to write: teamtask backup NAME FILE.")
    *name, file = words
    if store is not None:
        what, opening = shown_url(store), opened_store(store)
    else:
        what = name[0] if name else str(state)
        opening = opened_file(state if state is not None else path_of_run(name[0]))
    with opening as service:
        service.store.backup(file)
        say(f"Copied {what} to {file}; `teamtask show --state {file}` reads it.")


def _findings(opening: AbstractContextManager[Service]) -> Iterator[str]:
    try:
        with opening as service:
            found = service.store.verify()
            yield from found
            for record in service.lists():
                yield from (finding for finding in verify_list(service, record) if finding not in found)
    except TeamtaskError as error:
        yield error.message
