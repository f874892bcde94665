"""`teamtask share`: workers on other machines join a run that is there already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from teamtask.cli.arguments import complete_runs, state_option
from teamtask.cli.find_list import find_list, path_of_run
from teamtask.cli.local_door import LocalDoor
from teamtask.cli.output import say, say_data
from teamtask.cli.run_options import EVERYWHERE, BindType
from teamtask.cli.run_sharing import warn, worker_line
from teamtask.cli.servers import Place

if TYPE_CHECKING:
    from pathlib import Path

    from teamtask.local.share_access import Shared
    from teamtask.settings import Bind


@click.command(short_help="Let workers on other machines join a run.")
@click.argument("name", required=False, shell_complete=complete_runs)
@state_option
@click.option("--bind", type=BindType(), default=EVERYWHERE, metavar="HOST:PORT",
              help="Where to listen; by default on all addresses, and any free port.")  # fmt: skip
def share(*, name: str | None, state: Path | None, bind: Bind) -> None:
    """Let workers on other machines join a run, until it is finished or Ctrl-C.

    The line to type there goes to stdout: it holds a token that is good for working on this run, and for nothing else.
    When the sharing ends, workers have 10 s to report, then their work goes back and the token is void; a second Ctrl-C
    ends it at once. `teamtask run --share` does the same as long as the run lasts.

    \b
    Examples:
      teamtask share hosts-1f2e3d4c
      teamtask share hosts-1f2e3d4c --bind 192.168.1.7:8080
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    from teamtask.cli.run import run
    from teamtask.local.sharing import share as share_list

    place = Place(state=state if state is not None or name is None else path_of_run(name))
    with find_list(name, place) as door:
        assert isinstance(door, LocalDoor), "a state file holds nothing else"
        service, record = door.opened()
        with service.view(record) as view:
            local = view.definition.local

        def told(shared: Shared) -> None:
            assert local is not None, "nothing but runs is shared"
            typed = run.make_context("run", list(local.typed[1:]), resilient_parsing=True)
            say(f"Sharing {shared.name} until it is finished or Ctrl-C. Workers join with:")
            say_data(f"{worker_line(shared, local, typed.params)}\n")
            warn(shared)

        share_list(service, record, bind, told)
    say("No longer shared.")
