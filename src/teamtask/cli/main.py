"""`main`: the `teamtask` command, and the one place where errors become sentences and exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click

from teamtask import __version__
from teamtask.cli.streams import drop_output, prepare_streams
from teamtask.cli.text import printable
from teamtask.ledger.errors import TeamtaskError

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN_ERROR = 255  # `run` counts failed items in its exit code, as GNU parallel does, so errors stand apart
ERROR, USAGE = 1, 2
INTERRUPTED = 130
TRACEBACK_VARIABLE = "TEAMTASK_TRACEBACK"

# Modules are imported when their command is called, so that `--help` and a short run begin at once.
_COMMANDS = {
    "run": "teamtask.cli.run:run",
    "serve": "teamtask.cli.serve:serve",
    "create": "teamtask.cli.create:create",
    "set": "teamtask.cli.create:set_list",
    "ls": "teamtask.cli.lists:ls",
    "show": "teamtask.cli.show:show",
    "items": "teamtask.cli.items:items",
    "blocks": "teamtask.cli.blocks:blocks",
    "ranges": "teamtask.cli.blocks:ranges",
    "workers": "teamtask.cli.workers:workers",
    "results": "teamtask.cli.results:results",
    "work": "teamtask.cli.work:work",
    "share": "teamtask.cli.share:share",
    "wait": "teamtask.cli.wait:wait",
    "pause": "teamtask.cli.moves:pause",
    "resume": "teamtask.cli.moves:resume",
    "cancel": "teamtask.cli.moves:cancel",
    "rerun": "teamtask.cli.rerun:rerun",
    "unpark": "teamtask.cli.rerun:unpark",
    "grow": "teamtask.cli.moves:grow",
    "rm": "teamtask.cli.remove:rm",
    "token": "teamtask.cli.tokens:token",
    "verify": "teamtask.cli.upkeep:verify",
    "backup": "teamtask.cli.upkeep:backup",
    "move": "teamtask.cli.move:move",
    "crds": "teamtask.cli.kubernetes:crds",
    "controller": "teamtask.cli.kubernetes:controller",
    "completion": "teamtask.cli.completion:completion",
}


class _Failed(Exception):
    """An OSError on its way past click, which would make an exit code of its own of a broken pipe."""

    def __init__(self, error: OSError) -> None:
        self.error = error


@contextmanager
def _past_click() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _Failed(error) from error


class _Commands(click.Group):
    """Finds the commands by name without importing the others."""

    def make_context(self, *words: Any, **extra: Any) -> click.Context:  # noqa: ANN401 - click's signature
        with _past_click():
            return super().make_context(*words, **extra)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        with _past_click():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        place = _COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="teamtask %(version)s")
def cli() -> None:
    """Work through long lists with many hands: resumable, every outcome kept.

    \b
    Examples:
      teamtask run hosts.txt -- ping -c1 -W1 {}
      teamtask run --range 2:1000000 --python mymodule:is_prime
      teamtask serve
      teamtask create primes --range 2:1000000000 --block-seconds 30 --fold count
      teamtask ls
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"


def main() -> NoReturn:
    """Run the command line and exit."""
    failed = RUN_ERROR if sys.argv[1:2] == ["run"] else ERROR
    prepare_streams()
    try:
        code = _run(failed)
        sys.stdout.flush()
    except Exception as error:  # noqa: BLE001 - the net: nobody who gives a command wants to read a traceback
        _show_unexpected(error.error if isinstance(error, _Failed) else error)
        drop_output()
        code = failed
    sys.exit(code)


def _run(failed: int) -> int:
    try:
        code = cli.main(prog_name="teamtask", standalone_mode=False)  # what a command gave to `ctx.exit`
    except click.ClickException as error:
        error.show()
        return USAGE if failed == ERROR and isinstance(error, click.UsageError) else failed
    except TeamtaskError as error:
        show_error(error)
        return failed
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def show_error(error: TeamtaskError) -> None:
    """Say what is wrong, and the way out."""
    about = f"{error.field}: " if error.field and error.message.startswith("It ") else ""
    click.echo(f"teamtask: {printable(about + error.message)}", err=True)
    if error.hint:
        click.echo(f"  {printable(error.hint)}", err=True)


def _show_unexpected(error: Exception) -> None:
    """Say what nobody has thought of; with $TEAMTASK_TRACEBACK where it happened."""
    traced = os.environ.get(TRACEBACK_VARIABLE)
    if traced:
        traceback.print_exception(error)
    if isinstance(error, BrokenPipeError):  # whoever read our output has gone, and knows it
        return
    if isinstance(error, OSError):
        where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        click.echo(f"teamtask: {printable(where + (error.strerror or str(error)))}", err=True)
        return
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    click.echo(f"teamtask: this is a bug of Teamtask: {printable(what)}", err=True)
    if not traced:
        click.echo(f"  Give the command again with {TRACEBACK_VARIABLE}=1 to see where, and report that.", err=True)
