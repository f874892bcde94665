"""`teamtask move`: all that a server keeps from one store to another."""

from __future__ import annotations

import shlex

import click

from teamtask.cli.opened_store import opened_store
from teamtask.cli.output import say
from teamtask.cli.tables import cell
from teamtask.ledger.big_numbers import counted


@click.command(short_help="Move all that a server keeps to another store.")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def move(*, source: str, target: str) -> None:
    """Copy lists, items, results, tokens and the audit trail from one store to an empty one, and compare them there.

    FROM and TO are URLs as in `teamtask serve --store URL`; FROM may be a backup. Stop the servers of FROM first:
    what changes meanwhile is noticed, and refused. FROM stays as it is. A move that was broken off begins anew when the
    same command is given again, and no server begins over the half of one.

    \b
    Examples:
      teamtask move sqlite:///var/lib/teamtask/server/lists.sqlite postgresql://teamtask@db/teamtask
      teamtask move sqlite:monday.sqlite postgresql://teamtask@db/teamtask
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    from teamtask.stores import moving
    from teamtask.stores.open_store import open_store

    with opened_store(source) as service:
        to = open_store(target)
        try:
            moved = moving.move(service.store, to, lambda name: say(f"Moving {cell(name)}"))
            wrong = to.verify()
        finally:
            to.close()
    for finding in wrong:
        say(finding)
    if wrong:
        raise click.ClickException("What has arrived is damaged.")
    what = counted(moved.lists, "list", "lists")
    say(f"Moved {what}, and compared on arrival. Now: teamtask serve --store {shlex.quote(to.url)}")
