"""The arguments and flags that several commands share; `place_options` says where a list lives."""

from __future__ import annotations

import functools
import os
import threading
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from teamtask.cli.servers import Place, server_of
from teamtask.ledger.errors import TeamtaskError
from teamtask.ledger.rules import DIGITS_MAX
from teamtask.local.state_files import state_files
from teamtask.settings import TOKEN, URL

if TYPE_CHECKING:
    from collections.abc import Callable

    Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_COMPLETE_SECONDS: Final = 1.0  # so long somebody who has typed TAB waits for a server
_COMPLETE_MAX: Final = 1_000


def complete_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Give the names of lists that begin so, for the shell's completion; a server that is slow gives none."""
    url, token = (ctx.params.get(flag) or os.environ.get(name) for flag, name in (("url", URL), ("token", TOKEN)))
    names = [] if url else complete_runs(ctx, parameter, incomplete)

    def ask() -> None:
        try:
            server = server_of(Place(url=url or None, token=token or None))
            if server is not None:
                from teamtask.cli.server_door import lists_of

                names.extend([shown.name for shown in islice(lists_of(server), _COMPLETE_MAX)])
        except TeamtaskError:
            return  # whoever gives the command hears of it

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_COMPLETE_SECONDS)
    return list(dict.fromkeys(name for name in list(names) if name.startswith(incomplete)))


def complete_runs(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Give the names of runs of this machine that begin so."""
    return [path.stem for path in state_files() if path.stem.startswith(incomplete)]


def name_argument(command: Decorated) -> Decorated:
    """Add the argument NAME."""
    return click.argument("name", required=False, shell_complete=complete_names)(command)


def state_option(command: Decorated) -> Decorated:
    """Add the flag --state."""
    return click.option(
        "--state",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The list of this state file; NAME can be left out then.",
    )(command)


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --url and --token; the command gets a `place` of them and of its own `state`, if it has that."""

    @click.option(
        "--url",
        envvar=URL,
        metavar="URL",
        help=f"The server, or k8s://CONTEXT/NAMESPACE; by default one on this machine.  [${URL}]",
    )
    @click.option("--token", envvar=TOKEN, metavar="TOKEN", help=f"Who you are to the server.  [${TOKEN}]")
    @functools.wraps(command)
    def placed(
        *words: Any,  # noqa: ANN401 - what the command takes
        url: str | None,
        token: str | None,
        state: Path | None = None,
        **flags: Any,  # noqa: ANN401 - as above
    ) -> Any:  # noqa: ANN401 - as above
        ctx = click.get_current_context()
        if state is not None and ctx.get_parameter_source("url") is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError("--state is a file here and --url a server; give one of them.")
        place = Place(state=state) if state is not None else Place(url=url, token=token)
        return command(*words, place=place, **flags)

    return placed


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --state, --url and --token: where the list lives that NAME names."""
    return state_option(server_options(command))


def output_option(*choices: str, text: str) -> Callable[[Decorated], Decorated]:
    """Add the flag -o with these choices."""
    return click.option("-o", "--output", type=click.Choice(choices), metavar="|".join(choices), help=text)


def watch_option(command: Decorated) -> Decorated:
    """Add the flag -w."""
    return click.option(
        "-w", "--watch", "watching", is_flag=True, help="Show it again as it changes, until it is finished."
    )(command)


def whole_number(text: str, what: str) -> int:
    """Read an index or a size of any length. Raises UsageError."""
    if not (text.isascii() and text.isdecimal()):
        raise click.UsageError(f"{what} is a whole number, not {text!r:.80}.")
    if len(text) > DIGITS_MAX:
        raise click.UsageError(f"{what} has {DIGITS_MAX:,} digits at most.")
    return int(text)
