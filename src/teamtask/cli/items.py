"""`teamtask items`: the items of a list, as they are or as the API shows them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from teamtask.cli.arguments import complete_names, output_option, place_options, whole_number
from teamtask.cli.find_list import find_list
from teamtask.cli.output import json_text, say_data
from teamtask.cli.tables import cell
from teamtask.ledger.big_numbers import counted
from teamtask.ledger.big_numbers import shown as shown_number
from teamtask.ledger.errors import InvalidField
from teamtask.sources.lines_source import line_bytes
from teamtask.wire.result_lines import json_bytes
from teamtask.wire.views import ITEMS_MAX, Items

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.cli.servers import Place
    from teamtask.wire.views import Worklist


@click.command(short_help="Print the items of a list.", options_metavar="[OPTIONS]")
@click.argument("words", nargs=-1, metavar="NAME [INDEX [SIZE]]", shell_complete=complete_names)
@place_options
@output_option("json", text=f"The API's form, {ITEMS_MAX:,} items at most.")
@click.option("-0", "--null", is_flag=True, help="Items end in NUL, not in a newline.")
def items(*, words: tuple[str, ...], place: Place, output: str | None, null: bool) -> None:
    """Print the items of a list, one a line: all, the one at INDEX, or SIZE of them from INDEX on.

    Lines come out byte for byte as they went in (but for control characters on a terminal); items that are no text
    are JSON.

    \b
    Examples:
      teamtask items hosts-1f2e3d4c
      teamtask items primes 41
      teamtask items primes 1000000000000 10
      teamtask items hosts-1f2e3d4c 0 100 -o json
    """  # noqa: D301 - click takes the backspace for "leave these lines alone"
    name, index_text, size_text = _meanings(words, named=place.state is None)
    index = None if index_text is None else whole_number(index_text, "INDEX")
    size = None if size_text is None else whole_number(size_text, "SIZE")
    with find_list(name, place) as found:
        shown = found.show()
        if size is None:
            size = shown.size if index is None else 1
            size = min(size, ITEMS_MAX) if output == "json" else size
        index = shown.start if index is None else index
        _check_there(shown, index, size)
        if output == "json":
            _check_size(size)
            say_data(json_text(Items(index, list(found.items(index, size)))))
        else:
            _print(found.items(index, size), b"\0" if null else b"\n")


def _meanings(words: tuple[str, ...], *, named: bool) -> tuple[str | None, str | None, str | None]:
    """Tell NAME, INDEX and SIZE apart; with --state there may be no NAME."""
    if not named and (not words or words[0].isdecimal()):
        words = ("", *words)
    if len(words) > 3:  # noqa: PLR2004 - NAME, INDEX, SIZE
        raise click.UsageError(f"There is one argument too many: {words[3]!r:.80}.")
    name, index, size = (*words, None, None, None)[:3]
    return name or None, index, size


def _check_there(shown: Worklist, index: int, size: int) -> None:
    if not shown.size:
        raise InvalidField(f"{shown.name} awaits its items.", field="index", hint="`teamtask grow` gives it some.")
    if index < shown.start or size < 1 or index + size > shown.start + shown.size:
        items = counted(shown.size, "item", "items")
        raise InvalidField(
            f"The list has no block of {shown_number(size)} at index {shown_number(index)}.",
            field="index",
            hint=f"It has {items}, the first one at index {shown_number(shown.start)}.",
        )


def _check_size(size: int) -> None:
    if size > ITEMS_MAX:
        raise InvalidField(
            f"With -o json there are {ITEMS_MAX:,} items a call at most.",
            field="size",
            hint="Ask for the next ones with a larger INDEX, or leave -o json away.",
        )


def _print(items: Iterator[Any], separator: bytes) -> None:
    if sys.stdout.isatty():
        for item in items:
            say_data(cell(item if isinstance(item, str) else json_bytes(item).decode()) + "\n")
        return
    stream = sys.stdout.buffer
    for item in items:
        stream.write(item_bytes(item) + separator)
    stream.flush()


def item_bytes(item: Any) -> bytes:  # noqa: ANN401 - an item is any JSON
    """Give an item as it was read: a line's bytes; JSON for anything that is no text."""
    return line_bytes(item) if isinstance(item, str) else json_bytes(item)
