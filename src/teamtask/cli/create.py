"""`teamtask create` and `teamtask set`: a new list on a server, and another way of working one."""

from __future__ import annotations

import uuid
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import click
import msgspec

from teamtask.cli.arguments import name_argument, place_options, server_options, whole_number
from teamtask.cli.find_list import find_list
from teamtask.cli.output import say
from teamtask.cli.rule_options import access_of_flags, fields_of_flags, rule_options
from teamtask.cli.run_flags import fold_of_flag
from teamtask.cli.run_summary import shortened
from teamtask.cli.send_lines import open_lines
from teamtask.cli.servers import need_server
from teamtask.cli.shell_text import shell_text
from teamtask.cli.source_options import seed_of, source_of_flags, source_options
from teamtask.ledger.big_numbers import counted
from teamtask.ledger.errors import TeamtaskError
from teamtask.sources import source_from_definition
from teamtask.wire.requests import ListChange, check_name, invalid_body
from teamtask.wire.views import wire_integer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.cli.send_lines import LinesToSend
    from teamtask.cli.servers import Place
    from teamtask.client.connection import Connection


@click.command(short_help="Create a list on a server.")
@click.argument("name")
@click.argument("items", required=False, metavar="[FILE]")
@server_options
@source_options
@click.option("--start", metavar="INDEX", help="The index of the first item; 0 by default.")
@click.option("--fold", metavar="NAME", help="Keep one value for all results: count, sum, min, max, any, all, "
              "top=K, histogram=EDGES.")  # fmt: skip
@rule_options
@click.option("--dry-run", is_flag=True, help="Show what it would be and create nothing.")
def create(*, name: str, items: str | None, place: Place, dry_run: bool, **flags: Any) -> None:  # noqa: ANN401 - click's
    """Create a list on a server, for workers anywhere.

    FILE has one item a line, - is a pipe; or give a source such as --range. The first and the last item and the size
    are shown before anything is worked; of a pipe they are known when all has come.

    \b
    Examples:
      teamtask create primes --range 2:1000000000 --block-seconds 30 --fold count
      teamtask create hosts hosts.txt --worker group:staff --label team=network
      zcat urls.gz | teamtask create urls - --block-size 100
      teamtask create words --strings abc --length 1..12 --dry-run
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    body = {"name": check_name(name), **_body(items, flags)}
    server = None if dry_run else need_server(place)
    if items is None:
        source = source_from_definition(body["source"])
        _say_items(name, source.size, source.item(0), source.item(source.size - 1))
        if server is not None:
            _create(server, body)
            _say_created(server, name)
        return
    with open_lines(items) as lines:
        if lines.counted:
            _say_lines(name, lines)
        if server is None:
            lines.read_all()
        else:
            _create(server, body)
            _send(server, name, items, lines)
        if lines.blank:
            say(f"Blank lines skipped: {lines.blank}.")
        if not lines.counted:
            _say_lines(name, lines)
        if server is not None:
            _say_created(server, name)


@click.command("set", short_help="Change how a list is worked.")
@name_argument
@place_options
@rule_options
@click.option("--revoke", multiple=True, metavar="WHO", help="Take every role in the list away from WHO.")
def set_list(*, name: str | None, place: Place, **flags: Any) -> None:  # noqa: ANN401 - click's
    """Change how a list is worked from now on: blocks, limits, priority, labels, roles.

    What is not named stays as it is. A label without a value (NAME=) is taken away; roles are given in addition.

    \b
    Examples:
      teamtask set primes --block-seconds 60 --priority 5
      teamtask set primes --limit-parked 5000 --label team=maths --label draft=
      teamtask set primes --worker token:ci --revoke everyone
      teamtask set primes --stop-after-results none
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    fields = fields_of_flags(flags)
    with find_list(name, place) as found:
        shown = found.show()
        fields |= access_of_flags(flags, shown.labels, shown.roles)
        if not fields:
            raise click.UsageError("Say what is to be changed: see `teamtask set --help`.")
        try:
            change = msgspec.convert(fields, ListChange)
        except msgspec.ValidationError as error:
            raise invalid_body(error) from error
        shown = found.change(change)
        say(f"Changed {found.name}.")
        if shown.reason is not None:
            say(f"It is {shown.state}: {shown.reason}")


def _body(items: str | None, flags: dict[str, Any]) -> dict[str, Any]:
    source = source_of_flags(flags)
    if (items is None) == (source is None):
        raise click.UsageError("Say where the items come from: a file, - for a pipe, or one source such as --range.")
    if source is None:
        source = {"kind": "lines"}
        if flags["shuffle"] is not None:
            source["shuffle"] = seed_of(flags["shuffle"])
    body = {"source": source, **fields_of_flags(flags), **access_of_flags(flags, {}, {})}
    if flags["start"] is not None:
        body["start"] = wire_integer(whole_number(flags["start"], "--start"))
    if flags["fold"] is not None:
        body["fold"] = fold_of_flag(flags["fold"])
    return body


def _create(server: Connection, body: dict[str, Any]) -> None:
    server.call("POST", "/v1/lists", body=body, idempotency_key=uuid.uuid4().hex)


def _send(server: Connection, name: str, file: str, lines: LinesToSend) -> None:
    from teamtask.cli.server_door import ServerDoor

    with _awaiting(name, file) if server.awaits_items else nullcontext():
        ServerDoor(server, name).add_lines(lines.batches())


@contextmanager
def _awaiting(name: str, file: str) -> Iterator[None]:
    """Say how to go on when the items of a new list do not arrive."""
    again = shell_text(["teamtask", "grow", name, file])
    way_out = f"{name} awaits its items: {again} sends them, teamtask rm {name} gives it up."
    try:
        yield
    except TeamtaskError as error:
        error.hint = f"{error.hint} {way_out}" if error.hint else way_out
        raise
    except KeyboardInterrupt:
        say(way_out)
        raise


def _say_lines(name: str, lines: LinesToSend) -> None:
    first, last = (line.decode("utf-8", "backslashreplace") for line in (lines.first, lines.last))
    _say_items(name, lines.size, first, last)


def _say_items(name: str, size: int, first: object, last: object) -> None:
    say(f"{name}: {counted(size, 'item', 'items')}, the first {shortened(first)}, the last {shortened(last)}")


def _say_created(server: Connection, name: str) -> None:
    say(f"Created {name} at {server.url}. To work it: teamtask work {name} -- COMMAND")
