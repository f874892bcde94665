"""`compile_template`: a command line with placeholders, made ready to be filled in for item after item.

The placeholders and what they yield are those of GNU parallel (its manual, "Replacement strings"). Two things differ
on purpose, because no shell stands between: an argument stays one argument (`--x={}` joins the values of an item by
spaces), and braces that name nothing here (`awk '{print}'`, `[0-9]{3}`) are left alone.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from teamtask.ledger.errors import TeamtaskError

if TYPE_CHECKING:
    from collections.abc import Sequence

_DIGITS_MAX = 9  # of the number of a value
SHELL = b"/bin/sh"  # not $SHELL: the quoting below is POSIX's, and a command means the same on every worker


class NoCommand(TeamtaskError):
    """There is no command to run."""

    code = "no_command"
    hint = "Write the command after two dashes, as in: teamtask run hosts.txt -- ping -c1 {}"


class UnknownPlaceholder(TeamtaskError):
    """A placeholder asks for a value that the items do not have."""

    code = "unknown_placeholder"


@dataclass(slots=True)
class Job:
    """What a command line is filled in with."""

    item: object
    index: int
    sequence: int
    size: int


Values = Callable[[Job], list[str]]  # what a placeholder yields: one text, or one for each value of an item


class _Argument(NamedTuple):
    """A word of the command line that is not the same for every item."""

    parts: list[bytes | Values]
    is_item: bool  # just `{}`

    def fill(self, job: Job) -> list[bytes]:
        if len(self.parts) == 1 and callable(self.parts[0]):  # alone, an item of several values is several arguments
            return [encode(text) for text in self.parts[0](job)]
        return [b"".join(part if isinstance(part, bytes) else encode(" ".join(part(job))) for part in self.parts)]


class Template:
    """A compiled command line. `program` is its first word, None where that depends on the item."""

    __slots__ = ("_constant", "_shell", "_usual_at", "_varying", "program")

    def __init__(self, words: list[bytes | _Argument], *, shell: bool) -> None:
        self._shell = shell
        self._constant = [b"" if isinstance(word, _Argument) else word for word in words]
        # From the last to the first, so that a word may become several without moving those still to come.
        self._varying = [(at, word) for at, word in enumerate(words) if isinstance(word, _Argument)][::-1]
        first = words[0]
        self.program = SHELL if shell else None if isinstance(first, _Argument) else first
        # The usual command has one placeholder, a `{}` by itself: then filling in is one assignment.
        usual = not shell and len(self._varying) == 1 and self._varying[0][1].is_item
        self._usual_at = self._varying[0][0] if usual else -1

    def expand(self, item: object, index: int, sequence: int, size: int = 1) -> list[bytes]:
        """The argument vector for an item, or for a block of `size` items that begins at `index`.

        `item` is what a source yields: a str (bytes that are not UTF-8 are surrogate escapes, and pass unharmed), an
        int, or a list or dict of such. `sequence` is the number of the job, from 1.
        """
        argv = self._constant.copy()
        if self._usual_at >= 0 and type(item) is str:
            argv[self._usual_at] = encode(item)
            return argv
        job = Job(item, index, sequence, size)
        for at, argument in self._varying:
            argv[at : at + 1] = argument.fill(job)
        if not self._shell:
            return argv
        line = b" ".join(argv)
        # A blank in front keeps the shell from reading the command as an option of its own.
        return [SHELL, b"-c", b" " + line if line.startswith((b"-", b"+")) else line]


def compile_template(
    argv: Sequence[str],
    *,
    shell: bool = False,
    per_block: bool = False,
    columns: int = 1,
    fields: Sequence[str] = (),
) -> Template:
    """Make a command line ready.

    `{}` is the item, `{.}` without extension, `{/}` its base name, `{//}` its folder, `{/.}` base name without
    extension, `{#}` the job's number from 1, `{index}`, `{size}`. Items of several values (`columns` of them, from
    several `:::` or a source of lists) have `{1}`, `{2}`, `{1.}` ...; those of a product have `{axis}`, `{axis/}` ...
    for each of `fields`. `{}` of a list is its values, as several arguments where `{}` stands alone; of a dict it is
    JSON. A command line without any placeholder gets the item as its last argument; with `per_block` it does not,
    items come on its stdin then, and the placeholders of items are left as they are (`xargs -I{}`).
    With `shell` the words are joined by spaces and run by /bin/sh, what is filled in is quoted for it.
    Raises NoCommand, UnknownPlaceholder.
    """
    if not argv or not argv[0]:
        raise NoCommand(field="command")
    pattern = _pattern(() if per_block else fields, per_block=per_block)
    if not per_block and not any(_placeholders(word, pattern, columns, fields) for word in argv):
        argv = [*argv, "{}"]
    words = [_compile_word(word, _placeholders(word, pattern, columns, fields), shell=shell) for word in argv]
    return Template(words, shell=shell)


def encode(text: str) -> bytes:
    """The bytes that an item or argument stands for."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a lone surrogate out of a JSON document stands for no byte
        return text.encode("utf-8", "surrogatepass")


def _pattern(fields: Sequence[str], *, per_block: bool) -> re.Pattern[str]:
    """Placeholders: (what) and (which part of it)."""
    if per_block:
        return re.compile(r"\{(#|index|size)()\}")
    names = "".join(f"{re.escape(name)}|" for name in sorted(fields, key=len, reverse=True))
    return re.compile(rf"\{{(#(?=\}})|index(?=\}})|size(?=\}})|{names}[0-9]+|)(\.|//|/\.|/|)\}}")


def _placeholders(
    word: str, pattern: re.Pattern[str], columns: int, fields: Sequence[str]
) -> list[tuple[re.Match[str], Values]]:
    found = []
    for match in pattern.finditer(word):
        values = _values(match, columns, fields)
        if values is not None:
            found.append((match, values))
    return found


def _compile_word(word: str, placeholders: list[tuple[re.Match[str], Values]], *, shell: bool) -> bytes | _Argument:
    if not placeholders:
        return os.fsencode(word)
    parts: list[bytes | Values] = []
    end = 0
    for match, values in placeholders:
        if match.start() > end:
            parts.append(os.fsencode(word[end : match.start()]))
        parts.append(_quoted(values) if shell else values)
        end = match.end()
    if end < len(word):
        parts.append(os.fsencode(word[end:]))
    return _Argument(parts, is_item=word == "{}")


def _values(match: re.Match[str], columns: int, fields: Sequence[str]) -> Values | None:
    """What a placeholder yields; None when these braces are no placeholder."""
    what, part = match.groups()
    if what in _NUMBERS:
        return _NUMBERS[what]
    cut = _CUTS[part]
    if not what:
        return lambda job: [cut(text) for text in _texts(job.item)]
    if what in fields:
        return lambda job: [cut(text_of(job.item.get(what, "") if isinstance(job.item, dict) else job.item))]
    number = int(what) if len(what) <= _DIGITS_MAX else columns + 1
    if 1 <= number <= columns:
        return lambda job: [cut(text) for text in _texts(job.item)[number - 1 : number]] or [""]
    if columns > 1:
        raise UnknownPlaceholder(
            f"{match[0]:.80} in {match.string!r:.80} asks for value {what:.80} of items that have {columns}.",
            hint=f"Use {{1}} to {{{columns}}}.",
            field="command",
        )
    return None


def _quoted(values: Values) -> Values:
    return lambda job: [shlex.quote(text) for text in values(job)]


def _texts(item: object) -> list[str]:
    return [text_of(value) for value in item] if isinstance(item, list | tuple) else [text_of(item)]


def text_of(value: object) -> str:
    """Give what an item is on a command line or on stdin: text as it is, numbers in decimal, the rest as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=repr)


def _whole(text: str) -> str:
    return text


def _without_extension(text: str) -> str:
    stem, dot, extension = text.rpartition(".")
    return stem if dot and "/" not in extension else text


def _base_name(text: str) -> str:
    return text[text.rfind("/") + 1 :]


def _folder(text: str) -> str:
    """As Perl's File::Basename, which GNU parallel uses: of `a/b/` it is `a`, of `a` it is `.`."""
    folder, slash, name = text.rpartition("/")
    if slash and not name and folder.strip("/"):
        folder, slash, _ = folder.rstrip("/").rpartition("/")
    if not slash:
        return "."
    return folder.rstrip("/") or "/"


def _base_name_without_extension(text: str) -> str:
    return _without_extension(_base_name(text))


_CUTS = {
    "": _whole,
    ".": _without_extension,
    "/": _base_name,
    "//": _folder,
    "/.": _base_name_without_extension,
}

_NUMBERS: dict[str, Values] = {
    "#": lambda job: [str(job.sequence)],
    "index": lambda job: [str(job.index)],
    "size": lambda job: [str(job.size)],
}
