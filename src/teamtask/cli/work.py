"""`teamtask work`: works on a list of a server, beside as many others as there are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from teamtask.cli.arguments import name_argument, server_options
from teamtask.cli.output import say
from teamtask.cli.run import INTERRUPTED
from teamtask.cli.run_display import RunDisplay
from teamtask.cli.run_flags import WithCommand, check_python_flags, say_where_the_item_was
from teamtask.cli.run_options import working_options
from teamtask.cli.servers import need_server
from teamtask.cli.text import compact, duration
from teamtask.cli.work_progress import Counted, CountedFunctions
from teamtask.client.worker_name import worker_name
from teamtask.ledger.errors import InvalidField
from teamtask.local.run_request import RunRequest
from teamtask.local.work_run import template_of
from teamtask.sources.rows import arguments_of
from teamtask.wire.exchange_fields import check_text
from teamtask.wire.limits import WORKER_CHARACTERS_MAX
from teamtask.worker.interruptible import interruptible
from teamtask.worker.slots import ensure_open_files
from teamtask.worker.worker_loop import OVER

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from teamtask.cli.servers import Place
    from teamtask.worker.remote_list import RemoteList
    from teamtask.worker.remote_work import RemoteOptions
    from teamtask.worker.worker_loop import WorkerLoop

FAILED = 1


@click.command(
    cls=WithCommand,
    options_metavar="[OPTIONS]",
    context_settings={"allow_extra_args": True},
    short_help="Work on a list of a server.",
)
@name_argument
@working_options
@click.option("--forever", is_flag=True, help="Wait for more when the list is finished.")
@click.option("--worker", metavar="NAME", help="Under this name; by default HOST/PID.")
@server_options
@click.pass_context
def work(ctx: click.Context, /, name: str | None, *, place: Place, **flags: Any) -> None:  # noqa: ANN401 - click's
    """Work on a list of a server until it is finished; start it as often, and on as many machines, as you like.

    A command is run for each item, its outcome is the item's result; {} in COMMAND is the item, without it the item is
    the last argument. With --per-block a command gets a block, its items on stdin and {index} {size}; it may append
    `result INDEX JSON`, `upto INDEX`, `fold JSON` to the file $TEAMTASK_REPORT. With --python a function is called.

    While the server is away, work goes on and reports wait, on disk too; Ctrl-C finishes what is in hand and gives the
    rest back.

    \b
    Examples:
      teamtask work hosts -- ping -c1 -W1 {}
      teamtask work primes --per-block -- ./primes {index} {size}
      teamtask work primes -j8 --python mymodule:is_prime
      teamtask work hosts --url https://lists.example.org --token "$TOKEN" -- ping -c1 {}
      teamtask work hosts --url k8s://staging/network -- ping -c1 {}

    Exit status: 0 when the list is finished, 1 for errors, 130 after Ctrl-C.
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    from teamtask.worker.remote_list import RemoteList

    if name is None:
        raise click.UsageError("Name a list, as `teamtask ls` shows it.")
    if ctx.args:
        raise click.UsageError("Put -- before the command, as in: teamtask work hosts -- ping -c1 {}")
    words = _words(ctx.meta["command"], flags)
    _check_worker(flags["worker"])
    files = ensure_open_files(flags["jobs"])
    if files.sentence:
        say(f"teamtask: {files.sentence}")
    far = RemoteList(need_server(place), name, say)
    with worker_name(flags["worker"]) as flags["worker"]:
        code = _work(far, words, flags, files.slots)
    ctx.exit(code)


def _words(command: list[str] | None, flags: dict[str, Any]) -> tuple[str, ...]:
    check_python_flags(flags)
    if flags["null"] and not flags["per_block"]:
        raise click.UsageError("-0 says what ends the items on a command's stdin: it is for --per-block.")
    if flags["python"] is not None:
        if command:
            raise click.UsageError("Give a command or --python, not both.")
        return ()
    if not command:
        raise click.UsageError("Say what to do with the items, as in: teamtask work hosts -- ping -c1 {}")
    return tuple(command)


def _check_worker(given: str | None) -> None:
    try:
        if given is not None:
            check_text(given, "worker", WORKER_CHARACTERS_MAX)
    except InvalidField as error:
        raise click.UsageError(f"--worker: {error.message}") from error


def _work(far: RemoteList, words: tuple[str, ...], flags: dict[str, Any], jobs: int) -> int:
    from teamtask.worker.remote_work import RemoteOptions, Stopping, work_out

    options = RemoteOptions(
        flags["worker"],
        jobs,
        flags["retries"],
        flags["timeout"],
        flags["halt_after"],
        forever=flags["forever"],
        whole_output=not flags["quiet"],
    )
    counted = Counted(far)
    display = RunDisplay(counted.progress, tag=flags["tag"], keep_order=flags["keep_order"], quiet=flags["quiet"])
    with _working(far, words, counted, display, options, flags) as work:
        display.stop = work.stop
        with interruptible(Stopping(work, far, options.last_words_seconds)) as interrupted, display:
            trouble = work_out(work, far, options.worker)
    if trouble is None or counted.ok or counted.failed:
        what = "blocks " if flags["per_block"] else ""
        say(f"{what}{compact(counted.ok)} ok, {compact(counted.failed)} failed here, {duration(display.seconds)}")
    if counted.failed and not counted.ok and not flags["per_block"]:
        say_where_the_item_was(words)
    if display.trouble is not None:
        say(f"{display.trouble}, so nothing more was begun.")
    if work.halted:
        say("Stopped after failures.")
    if work.state in OVER:
        say(f"{far.name} is {work.state.replace('_', ' ')}.")
    elif work.reason and not interrupted:
        say(f"{far.name}: {work.reason}")
    if trouble is not None and not interrupted:
        raise trouble
    if trouble is not None:
        say(f"teamtask: {trouble.message}")
    if interrupted:
        return INTERRUPTED
    return FAILED if work.halted or display.trouble is not None else 0


def _working(
    far: RemoteList, words: tuple[str, ...], counted: Counted, display: RunDisplay, options: RemoteOptions,
    flags: dict[str, Any],
) -> AbstractContextManager[WorkerLoop[Any]]:  # fmt: skip
    from teamtask.worker.remote_work import command_work, function_work

    counted.display = display
    if flags["python"] is not None:
        from teamtask.local.python_function import load_function

        return function_work(far, load_function(flags["python"]), CountedFunctions(counted), options)
    if far.shown["fold_rule"] is not None and not flags["per_block"]:
        raise click.UsageError(
            f"{far.name} keeps a fold, and a command's exit status has none: use --per-block or --python."
        )
    source = far.shown["source"]
    request = RunRequest(
        folder=str(Path.cwd()), source=source, arguments=arguments_of(source), command=words, shell=flags["shell"],
        per_block=flags["per_block"],
    )  # fmt: skip
    return command_work(
        far, template_of(request), counted, options, per_block=flags["per_block"],
        separator=b"\0" if flags["null"] else b"\n",
    )  # fmt: skip
