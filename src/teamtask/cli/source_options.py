"""The flags that say where items come from, shared by every command that makes a list."""

from __future__ import annotations

import math
import os
import string
from typing import TYPE_CHECKING, Any, TypeVar

import click

from teamtask.ledger.errors import InvalidSource
from teamtask.ledger.rules import DIGITS_MAX
from teamtask.local.line_input import LineReader
from teamtask.sources import source_from_definition

if TYPE_CHECKING:
    from collections.abc import Callable

    Decorated = TypeVar("Decorated", bound=Callable[..., Any])

# The letters of masks are hashcat's.
_MASK = {
    "l": string.ascii_lowercase,
    "u": string.ascii_uppercase,
    "d": string.digits,
    "h": "0123456789abcdef",
    "H": "0123456789ABCDEF",
    "s": " " + string.punctuation,
    "a": string.ascii_lowercase + string.ascii_uppercase + string.digits + " " + string.punctuation,
    "?": "?",
}


def source_options(command: Decorated) -> Decorated:
    """Add the flags of sources; `source_of_flags` turns their values into a source."""
    # fmt: off
    for option in reversed(
        [
            click.option("--range", "range_", metavar="START:STOP[:STEP]", help="Whole numbers, STOP not included."),
            click.option("--strings", metavar="ALPHABET", help="All strings of these characters; needs --length."),
            click.option("--length", metavar="N|MIN..MAX", help="Of --strings; from MIN to MAX, shortest first."),
            click.option("--permutations", metavar="FILE", help="Every order of the lines of a file."),
            click.option("--combinations", metavar="FILE", help="Every choice of --choose lines of a file."),
            click.option("--choose", type=int, metavar="K", help="Of --combinations: how many lines at a time."),
            click.option("--axis", "axes", multiple=True, metavar="NAME=V,...", help="A choice of one value per axis."),
            click.option("--mask", metavar="MASK", help="?l ?u ?d ?s ?a ?h stand for characters of a kind."),
            click.option("--shuffle", metavar="SEED", help="Go through the items in an order that the seed decides."),
        ]
    ):
        # fmt: on
        command = option(command)
    return command


def source_of_flags(flags: dict[str, Any]) -> dict[str, Any] | None:
    """Give the definition that the flags make, None when they make none. Raises UsageError, InvalidSource.

    Takes its flags out of `flags`, but for `shuffle` where there is no source: lines may be shuffled too.
    """
    values = {
        name: flags.pop(name)
        for name in ("range_", "strings", "length", "permutations", "combinations", "choose", "axes", "mask")
    }
    kinds = [name for name in _MADE if values[name] not in (None, ())]
    if len(kinds) > 1:
        names = " and ".join("--" + {"range_": "range", "axes": "axis"}.get(name, name) for name in kinds)
        raise click.UsageError(f"{names} exclude one another: a list has one source.")
    for name, needed in (("length", "strings"), ("choose", "combinations")):
        if values[name] is not None and values[needed] is None:
            raise click.UsageError(f"--{name} needs --{needed}.")
    if not kinds:
        return None
    values["separator"] = b"\0" if flags.get("null") else b"\n"
    made: dict[str, Any] = _MADE[kinds[0]](values)
    if flags["shuffle"] is not None:
        made["shuffle"] = seed_of(flags["shuffle"])
    flags["shuffle"] = None
    try:
        source_from_definition(made)
    except InvalidSource as error:  # its hint speaks of the API's JSON
        raise InvalidSource(error.message, field=error.field, hint=_EXAMPLES[kinds[0]]) from error
    return made


def seed_of(text: str) -> int | str:
    """Give the seed of a shuffle; digits are a number, if it is not too long for one."""
    return int(text) if text.isdecimal() and len(text) <= DIGITS_MAX else text


def _range(values: dict[str, Any]) -> dict[str, Any]:
    parts = values["range_"].split(":")
    if not 2 <= len(parts) <= 3:  # noqa: PLR2004 - START:STOP or START:STOP:STEP
        raise click.UsageError(f"--range takes START:STOP or START:STOP:STEP, not {values['range_']!r}.")
    return {"kind": "range", **dict(zip(("start", "stop", "step"), parts, strict=False))}


def _strings(values: dict[str, Any]) -> dict[str, Any]:
    if values["length"] is None:
        raise click.UsageError("--strings needs --length N or --length MIN..MAX.")
    low, dots, high = values["length"].partition("..")
    if (
        dots
        and low.isdecimal()
        and high.isdecimal()
        and (len(low.lstrip("0")), low.lstrip("0")) > (len(high.lstrip("0")), high.lstrip("0"))
    ):
        raise click.UsageError(f"--length MIN..MAX begins with the shorter length, not {values['length']!r:.80}.")
    lengths = {"min_length": low, "max_length": high} if dots else {"length": low}
    return {"kind": "strings", "alphabet": values["strings"], **lengths}


def _permutations(values: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "permutations", "items": _lines_of(values["permutations"], values["separator"])}


def _combinations(values: dict[str, Any]) -> dict[str, Any]:
    if values["choose"] is None:
        raise click.UsageError("--combinations needs --choose K.")
    return {
        "kind": "combinations",
        "items": _lines_of(values["combinations"], values["separator"]),
        "k": values["choose"],
    }


def _axes(values: dict[str, Any]) -> dict[str, Any]:
    axes = []
    for axis in values["axes"]:
        name, equals, listed = axis.partition("=")
        if not equals:
            raise click.UsageError(f"--axis takes NAME=VALUE,VALUE,..., not {axis!r}.")
        axes.append([name, [_number_or_text(value) for value in listed.split(",")]])
    return {"kind": "product", "axes": axes}


def _mask(values: dict[str, Any]) -> dict[str, Any]:
    alphabets, at, mask = [], 0, values["mask"]
    while at < len(mask):
        letter = mask[at]
        if letter == "?":
            at += 1
            if mask[at : at + 1] not in _MASK or at == len(mask):
                known = " ".join("?" + each for each in _MASK)
                raise click.UsageError(f"--mask knows {known}, not {mask[at - 1 : at + 1]!r}.")
            letter = _MASK[mask[at]]
        alphabets.append(letter)
        at += 1
    return {"kind": "mask", "alphabets": alphabets}


_EXAMPLES = {
    "range_": "For example --range 2:10, or --range 10:0:-2.",
    "strings": "For example --strings abc --length 3, or --length 1..3.",
    "permutations": "For example --permutations hosts.txt: one item a line.",
    "combinations": "For example --combinations hosts.txt --choose 2: one item a line.",
    "axes": "For example --axis rate=0.1,0.2 --axis depth=1,2,3.",
    "mask": "For example --mask '?u?l?l?d': ?u ?l ?d ?s ?a ?h ?H stand for one such character, ?? for a question mark.",
}

_MADE: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "range_": _range,
    "strings": _strings,
    "permutations": _permutations,
    "combinations": _combinations,
    "axes": _axes,
    "mask": _mask,
}


def _lines_of(file: str, separator: bytes) -> list[str]:
    try:
        with open(file, "rb") as stream:  # noqa: PTH123 - Path makes the current folder of an empty name
            reader = LineReader(stream, separator)
            lines = [os.fsdecode(line) for batch in reader.batches() for line in batch]
    except OSError as error:
        name = file or "A file without a name"
        raise InvalidSource(
            f"{name} cannot be read: {error.strerror}.", field="items", hint="One item a line."
        ) from error
    if reader.blank:
        click.echo(f"Blank lines skipped: {reader.blank}.", err=True)
    return lines


def _number_or_text(value: str) -> object:
    """Give the number that a value is, if it is written the usual way: 001, 1_000 and 1.10 stay as they are."""
    for kind in (int, float):
        try:
            number = kind(value)
            if str(number) == value and math.isfinite(number):
                return number
        except (ValueError, OverflowError):
            continue
    return value
