"""`teamtask token`: API tokens of a server: who may come, as what, to which lists, and for how long."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import click

from teamtask.access import ROLES, SiteRole
from teamtask.cli.arguments import output_option, server_options
from teamtask.cli.output import names_text, page_text, say, say_data
from teamtask.cli.servers import need_server
from teamtask.cli.tables import table, terminal_width
from teamtask.ledger.errors import TeamtaskError
from teamtask.wire.requests import ListChange
from teamtask.wire.views import NewTokenShown, Token

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from teamtask.cli.server_door import ServerDoor
    from teamtask.cli.servers import Place
    from teamtask.client.connection import Connection

COLUMNS: Final = ("ID", "NAME", "ROLE", "LISTS", "SITE-ROLES", "EXPIRES")
WIDE_COLUMNS: Final = ("CREATED", "BY")
_TOKENS: Final = "/v1/tokens"
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhdw]?)")


class Duration(click.ParamType[float]):
    """A number of seconds, or of m(inutes), h(ours), d(ays) or w(eeks)."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it as seconds. Raises BadParameter."""
        found = _DURATION.fullmatch(str(value))
        if found is None or not int(found[1]):
            self.fail(f"{value!r:.80} is no time: write 90, 15m, 12h, 30d or 4w.", param, ctx)
        return float(int(found[1]) * _UNITS[found[2] or "s"])


@click.group(short_help="Make, show and revoke API tokens.")
def token() -> None:
    """Make, show and revoke the API tokens of a server.

    \b
    Examples:
      teamtask token create ci --role worker --list primes --expires 30d
      teamtask token ls
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"


@token.command(short_help="Make a token.")
@click.argument("name")
@server_options
@click.option("--role", type=click.Choice(list(ROLES)), help="No more than this in any list; owner by default.")
@click.option("--list", "lists", multiple=True, metavar="NAME", help="In these lists alone; may be given again.")
@click.option("--site-role", "site_roles", multiple=True, type=click.Choice(list(map(str, SiteRole))),
              help="Beside lists: create some, read the audit trail and the metrics, or everything.")  # fmt: skip
@click.option("--expires", "seconds", type=Duration(), metavar="TIME", help="For so long: 15m, 12h, 30d, 4w.")
def create(
    *, name: str, place: Place, role: str | None, lists: tuple[str, ...], site_roles: tuple[str, ...],
    seconds: float | None,
) -> None:  # fmt: skip
    """Make a token; its secret alone goes to stdout, this once.

    With --list and --role it is given that role in each of the lists, beside those who have it already. A token of the
    same NAME is the same person: what one has claimed, the other may report.

    \b
    Examples:
      TOKEN=$(teamtask token create ci --role worker --list primes)
      teamtask token create anna --site-role creator --expires 30d
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    server = need_server(place)
    doors = _doors(server, lists)
    body = {
        "name": name,
        "role": role or "owner",
        "lists": list(lists) or None,
        "site_roles": list(site_roles),
        "expires_in_seconds": seconds,
    }
    from teamtask.client.answers import read_view

    made = read_view(server.call("POST", _TOKENS, body=body), NewTokenShown)
    try:
        if role is not None:
            for door in doors:
                _give_role(door, role, f"token:{made.name}")
    except TeamtaskError:
        server.call("DELETE", f"{_TOKENS}/{made.id}")  # nobody has seen its secret
        raise
    until = "" if made.expires_at is None else f" until {made.expires_at}"
    say(f"Made {made.id} for token:{made.name}{until}; its secret is shown this once.")
    say_data(f"{made.token}\n")


@token.command("ls", short_help="Show the tokens.")
@server_options
@output_option("wide", "json", "name", text="More columns, the API's form, or names alone.")
def ls(*, place: Place, output: str | None) -> None:
    """Show the tokens there are; their secrets are kept nowhere.

    \b
    Examples:
      teamtask token ls
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    found = list(_tokens(need_server(place)))
    if output == "json":
        say_data(page_text(found))
    elif output == "name":
        say_data(names_text(each.name for each in found))
    else:
        columns = COLUMNS + WIDE_COLUMNS if output == "wide" else COLUMNS
        say_data(table(columns, [_cells(each)[: len(columns)] for each in found], terminal_width()))


@token.command("rm", short_help="Revoke tokens.")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@server_options
def rm(*, ids: tuple[str, ...], place: Place) -> None:
    """Revoke tokens, by the ids that `teamtask token ls` shows; whoever uses one is sent away at once.

    \b
    Examples:
      teamtask token rm 1f2e3d4c5b6a7988
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    server = need_server(place)
    for each in ids:
        server.call("DELETE", f"{_TOKENS}/{_part(each)}")
        say(f"Revoked {each}.")


def _part(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="", errors="surrogateescape")


def _doors(server: Connection, names: Sequence[str]) -> list[ServerDoor]:
    """Give the lists; a token for one that is not there would be a mistake. Raises ApiError."""
    from teamtask.cli.server_door import ServerDoor

    doors = [ServerDoor(server, name) for name in dict.fromkeys(names)]
    for door in doors:
        door.show()
    return doors


def _give_role(door: ServerDoor, role: str, who: str) -> None:
    roles = door.show().roles
    if who not in roles.get(role, ()):
        door.change(ListChange(roles={**roles, role: [*roles.get(role, ()), who]}))
    say(f"{who} is {role} of {door.name}.")


def _tokens(server: Connection) -> Iterator[Token]:
    from teamtask.cli.server_door import PAGE
    from teamtask.client.answers import read_view

    for told in server.pages(_TOKENS, query={"limit": PAGE}):
        yield read_view(told, Token)


def _cells(each: Token) -> list[str]:
    lists = "all" if each.lists is None else ", ".join(each.lists)
    return [
        each.id,
        each.name,
        each.role,
        lists or "-",
        ", ".join(each.site_roles) or "-",
        each.expires_at or "never",
        each.created_at,
        each.created_by,
    ]
