"""What the words and flags of `teamtask run` ask for, checked against one another."""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from teamtask.cli.output import say
from teamtask.cli.run_options import EVERYWHERE, is_bind
from teamtask.cli.shell_text import shell_text
from teamtask.cli.source_options import seed_of, source_of_flags
from teamtask.ledger.folds import check_fold_rule
from teamtask.ledger.rules import BlockRule, Limits, Rules
from teamtask.local.run_request import RunRequest
from teamtask.sources.rows import product_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from teamtask.ledger.folds import FoldRule

ITEM_SECONDS_AHEAD = 2.0  # commands per item: so much work is leased at a time
BLOCK_SECONDS = 10.0  # commands per block: so long one should take
_PARKED_MAX = 10_000  # as many as a list can have
_MANY = 10**9  # a process of the owner's own may hold as much as it can work


class WithCommand(click.Command):
    """A command whose arguments after `--` are another command, left as they are."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep what follows `--` apart."""
        ctx.meta["command"] = None
        if "--" in args:
            at = args.index("--")
            ctx.meta["command"] = args[at + 1 :]
            args = args[:at]
        return super().parse_args(ctx, args)


class RunCommand(WithCommand):
    """`run`, whose --share may stand alone: the word behind it is its address only where it looks like one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give a --share that stands alone every address of this machine."""
        at = args.index("--") if "--" in args else len(args)
        for here, (word, following) in enumerate(pairwise([*args[:at], ""])):
            if word == "--share" and not is_bind(following):
                args[here] = f"--share={EVERYWHERE}"
        return super().parse_args(ctx, args)


def request_of_flags(
    items: str | None, surplus: tuple[str, ...], command: list[str] | None, flags: dict[str, Any]
) -> RunRequest:
    """Give the run that was asked for. Raises UsageError, InvalidSource, InvalidField."""
    words, *arguments = _split(command or [])
    if surplus or (command is None and items is not None and flags["python"] is None):
        raise click.UsageError("Put -- before the command, as in: teamtask run hosts.txt -- ping -c1 {}")
    _check_work(words, flags)
    _check_files([items, flags["permutations"], flags["combinations"]], flags)
    source = source_of_flags(flags)
    items = _items(items, arguments, source)
    if len(arguments) > 1:
        source = product_of(tuple(map(tuple, arguments)))
        if flags["shuffle"] is not None:
            source["shuffle"], flags["shuffle"] = seed_of(flags["shuffle"]), None
    return RunRequest(
        folder=_folder(),
        file=items,
        arguments=tuple(map(tuple, arguments)),
        source=source,
        shuffle=flags["shuffle"],
        separator="\0" if flags["null"] else "\n",
        command=tuple(words),
        python=flags["python"],
        per_block=flags["per_block"],
        shell=flags["shell"],
        rules=Rules(
            block=_block_rule(flags),
            **_limits(flags),
            fold=None if flags["fold"] is None else fold_of_flag(flags["fold"]),
        ),
        name=flags["name"],
        state=flags["state"],
        fresh=flags["fresh"],
        retry_failed=flags["retry_failed"],
    )


def _check_work(words: list[str], flags: dict[str, Any]) -> None:
    python = flags["python"]
    if python is not None and words:
        raise click.UsageError("Give a command or --python, not both.")
    if python is None and not words:
        raise click.UsageError("There is no command: write it after --, as in: teamtask run hosts.txt -- ping -c1 {}")
    if flags["fold"] is not None and python is None and not flags["per_block"]:
        raise click.UsageError("--fold needs --python or --per-block: a command's exit status has no fold.")
    check_python_flags(flags)
    if flags["block_size"] is not None and flags["block_seconds"] is not None:
        raise click.UsageError("Give --block-size or --block-seconds, not both.")


def check_python_flags(flags: dict[str, Any]) -> None:
    """Raise UsageError for a flag that means nothing to functions."""
    for name in ("shell", "per_block", "keep_order", "tag", "quiet"):
        if flags[name] and flags["python"] is not None:
            raise click.UsageError(f"--{name.replace('_', '-')} is for commands, not for --python.")


def _items(items: str | None, arguments: list[list[str]], source: dict[str, Any] | None) -> str | None:
    if any(not some for some in arguments):
        raise click.UsageError("There are no items after :::.")
    if not items and items is not None:
        raise click.UsageError("The name of the file with the items is empty; is a variable not set? - is stdin.")
    given = [what for what, there in ((items, items), (":::", arguments), ("a source", source)) if there]
    if len(given) > 1:
        raise click.UsageError(f"Items come from {' and from '.join(map(str, given))}; give only one of them.")
    if given:
        return items
    if sys.stdin is None or sys.stdin.isatty():
        raise click.UsageError("There are no items: give a file, a pipe, ::: ITEM..., or a source such as --range.")
    return "-"


def _check_files(read: list[str | None], flags: dict[str, Any]) -> None:
    """Raise UsageError when what is to be written is what is read."""
    written = {"--results": flags["results"], "--state": flags["state"]}
    for flag, path in written.items():
        for name in filter(None, read):
            if path is not None and _are_same(path, Path("/dev/stdin" if name == "-" else name)):
                raise click.UsageError(f"{flag} would overwrite the items: give it another file than {path}.")
    if None not in written.values() and _are_same(*written.values()):
        raise click.UsageError(f"--results would overwrite the state: give it another file than {flags['state']}.")


def _are_same(one: Path, other: Path) -> bool:
    try:
        return one.resolve() == other.resolve() or (one.is_file() and one.samefile(other))
    except (OSError, RuntimeError):  # it is missing; links that go round in a circle
        return False


def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError as error:
        raise click.ClickException(
            f"The current folder cannot be found ({error.strerror}): a run belongs to a folder. Go to another one."
        ) from error


def _block_rule(flags: dict[str, Any]) -> BlockRule:
    if flags["block_size"] is not None:
        return BlockRule(size=flags["block_size"])
    default = BLOCK_SECONDS if flags["per_block"] else ITEM_SECONDS_AHEAD
    return BlockRule(seconds=flags["block_seconds"] or default)


def _limits(flags: dict[str, Any]) -> dict[str, Any]:
    if flags["python"] is None or flags["fold"] is None:
        return {"limits": Limits(blocks_per_worker=_MANY, blocks_per_principal=_MANY)}
    # With a fold alone there is no outcome that says that a call failed: the item is set aside at once instead.
    return {"limits": Limits(blocks_per_worker=_MANY, blocks_per_principal=_MANY, parked=_PARKED_MAX), "attempts": 1}


def fold_of_flag(text: str) -> FoldRule:
    """Read a fold: a name, top=K or histogram=EDGE,EDGE,... Raises InvalidField."""
    name, equals, value = text.partition("=")
    rule: FoldRule = text
    try:
        if equals and name == "top":
            rule = {"top": int(value)}
        elif equals and name == "histogram":
            rule = {"histogram": [float(edge) for edge in value.split(",")]}
    except ValueError:
        raise click.UsageError(f"--fold takes a name, top=K or histogram=EDGE,EDGE,..., not {text!r:.80}.") from None
    check_fold_rule(rule)
    return rule


def say_where_the_item_was(words: Sequence[str]) -> None:
    """After a command failed for every item: say what may be the reason if no placeholder is in it."""
    if words and not any("{" in word for word in words):
        say(f"The command has no {{}}, so the item was its last argument: {shell_text(words)} ITEM")


def _split(command: list[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in command:
        if word == ":::":
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def typed_words() -> tuple[str, ...]:
    """Give the command line word for word, bytes that are no UTF-8 included."""
    return tuple(os.fsdecode(word) for word in sys.argv[1:])
