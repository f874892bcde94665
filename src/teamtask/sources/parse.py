"""`source_from_definition`: a source from its definition as the web API spells it, which may say anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from teamtask.ledger.errors import InvalidSource
from teamtask.sources.combination_source import Combinations
from teamtask.sources.limits import DIGITS_MAX, ITEMS_MAX, check_count, check_text, quoted
from teamtask.sources.lines_source import Lines, line_bytes, lines_in_memory
from teamtask.sources.permutation_source import Permutations
from teamtask.sources.product_source import Product
from teamtask.sources.range_source import Range
from teamtask.sources.shuffled_source import Shuffled
from teamtask.sources.text_sources import Mask, Strings

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.sources.lines_source import ReadLines
    from teamtask.sources.source import Source

_DECIMAL = re.compile(rf"-?[0-9]{{1,{DIGITS_MAX}}}")


def source_from_definition(definition: object, read_lines: ReadLines | None = None) -> Source[Any]:
    """Return the source that a JSON object like {"kind": "range", "start": 2, "stop": 10} defines.

    Whole numbers may be ints or decimal strings; null is the same as a field left out; `shuffle` beside
    any kind is a seed. Lines come in `items`, or by `read_lines` with their count and fingerprint.
    Raises InvalidSource with the field and a way out.
    """
    if not isinstance(definition, Mapping):
        message = f"A source is an object, not {_what(definition)}."
        raise InvalidSource(message, field="source", hint=f"For example {_KINDS['range'].example}.")
    kind = definition.get("kind")
    known = ", ".join(_KINDS)
    if kind is None:
        raise InvalidSource("The source has no kind.", field="kind", hint=f"Give one of {known}.")
    if not isinstance(kind, str) or kind not in _KINDS:
        what = quoted(kind) if isinstance(kind, str) else _what(kind)
        raise InvalidSource(f"There is no source of kind {what}.", field="kind", hint=f"Give one of {known}.")
    fields = _Fields(kind, definition)
    source = _KINDS[kind].made(fields, read_lines)
    seed = fields.values.get("shuffle")
    if seed is None:
        return source
    if isinstance(seed, bool) or not isinstance(seed, (int, str)):
        raise fields.wrong("shuffle", "a number or text")
    return Shuffled(source, seed)


def _what(value: object) -> str:
    """Return what a value is, in the words of JSON."""
    names = {
        bool: "true or false",
        dict: "an object",
        list: "a list",
        float: "a fraction",
        str: "text",
        int: "a number",
        type(None): "null",
    }
    return names.get(type(value), f"of type {type(value).__name__}")


class _Fields:
    """The fields of a definition, each read as the type that it must have."""

    def __init__(self, kind: str, definition: Mapping[Any, object]) -> None:
        self.kind = _KINDS[kind]
        self.hint = f"For example {self.kind.example}."
        self.values = {name: value for name, value in definition.items() if value is not None}
        allowed = ("kind", *self.kind.fields, "shuffle")
        for name in definition:
            if name not in allowed:
                shown_name = name if isinstance(name, str) else repr(type(name).__name__)
                message = f"A source of kind {kind} has no field {quoted(shown_name)}."
                raise InvalidSource(message, field=shown_name, hint=f"It has {', '.join(allowed)}.")

    def wrong(self, field: str, wanted: str) -> InvalidSource:
        message = f"The field {field} must be {wanted}, not {_what(self.values[field])}."
        return InvalidSource(message, field=field, hint=self.hint)

    def missing(self, field: str) -> InvalidSource:
        return InvalidSource(f"The field {field} is missing.", field=field, hint=self.hint)

    def value(self, field: str) -> object:
        if field not in self.values:
            raise self.missing(field)
        return self.values[field]

    def integer(self, field: str, default: int | None = None) -> int:
        value = self.values.get(field, default) if default is not None else self.value(field)
        if isinstance(value, int) and not isinstance(value, bool):
            return int(value)
        if isinstance(value, str) and _DECIMAL.fullmatch(value):
            return int(value)
        if isinstance(value, str):
            message = f"The field {field} is no whole number of at most {DIGITS_MAX:,} digits."
            raise InvalidSource(message, field=field, hint=self.hint)
        raise self.wrong(field, "a whole number, or text of its digits")

    def text(self, field: str) -> str:
        value = self.value(field)
        if not isinstance(value, str):
            raise self.wrong(field, "text")
        return value

    def array(self, field: str) -> list[object]:
        value = self.value(field)
        if not isinstance(value, list):
            raise self.wrong(field, "a list")
        return value

    def texts(self, field: str) -> list[str]:
        texts = []
        for value in self.array(field):
            if not isinstance(value, str):
                raise self.wrong_part(field, "text", value)
            texts.append(value)
        return texts

    def text_or_list(self, field: str) -> str | list[object]:
        value = self.value(field)
        if not isinstance(value, (str, list)):
            raise self.wrong(field, "text or a list")
        return value

    def wrong_part(self, field: str, wanted: str, part: object) -> InvalidSource:
        message = f"The field {field} must hold {wanted} only; something in it is {_what(part)}."
        return InvalidSource(message, field=field, hint=self.hint)


def _range(fields: _Fields, _: ReadLines | None) -> Source[int]:
    return Range(fields.integer("start", 0), fields.integer("stop"), fields.integer("step", 1))


def _strings(fields: _Fields, _: ReadLines | None) -> Source[str]:
    alphabet = fields.text("alphabet")
    if "length" not in fields.values and "max_length" not in fields.values:
        raise fields.missing("max_length" if "min_length" in fields.values else "length")
    if "length" in fields.values:
        for field in ("min_length", "max_length"):
            if field in fields.values:
                message = f"The fields length and {field} exclude one another."
                raise InvalidSource(message, field=field, hint="Give length, or min_length and max_length.")
        return Strings(alphabet, fields.integer("length"), fields.integer("length"))
    return Strings(alphabet, fields.integer("min_length", 1), fields.integer("max_length"))


def _mask(fields: _Fields, _: ReadLines | None) -> Source[str]:
    return Mask(fields.texts("alphabets"))


def _permutations(fields: _Fields, _: ReadLines | None) -> Source[str | list[object]]:
    return Permutations(fields.text_or_list("items"))


def _combinations(fields: _Fields, _: ReadLines | None) -> Source[str | list[object]]:
    return Combinations(fields.text_or_list("items"), fields.integer("k"))


def _product(fields: _Fields, _: ReadLines | None) -> Source[dict[str, object]]:
    axes = []
    for axis in fields.array("axes"):
        match axis:
            case [str() as name, list() as values]:
                axes.append((name, values))
            case [str() as name, values]:
                message = f"The values of the axis {quoted(name)} must be a list, not {_what(values)}."
                raise InvalidSource(message, field="axes", hint=fields.hint)
            case _:
                raise fields.wrong_part("axes", "pairs of a name and a list of values", axis)
    return Product(axes)


def _lines(fields: _Fields, read_lines: ReadLines | None) -> Source[str]:
    if "items" not in fields.values:
        count, fingerprint = fields.integer("count"), fields.text("fingerprint")
        if read_lines is None:
            hint = "Upload them, or give them as items."
            raise InvalidSource("The lines themselves are not here.", field="items", hint=hint)
        return Lines(count, fingerprint, read_lines)
    for field in ("count", "fingerprint"):
        if field in fields.values:
            message = f"The fields items and {field} exclude one another."
            raise InvalidSource(message, field=field, hint=f"Leave {field} out: it is computed from the items.")
    items = fields.texts("items")
    check_count(len(items), ITEMS_MAX, "items", "lines")
    for item in items:
        check_text(item, "items")
    return lines_in_memory([line_bytes(item) for item in items])


class _Kind(NamedTuple):
    fields: tuple[str, ...]
    made: Callable[[_Fields, ReadLines | None], Source[Any]]
    example: str


_KINDS = {
    "range": _Kind(("start", "stop", "step"), _range, '{"kind": "range", "start": 2, "stop": 10}'),
    "lines": _Kind(("items", "count", "fingerprint"), _lines, '{"kind": "lines", "items": ["a", "b"]}'),
    "strings": _Kind(
        ("alphabet", "length", "min_length", "max_length"),
        _strings,
        '{"kind": "strings", "alphabet": "abc", "length": 3}',
    ),
    "permutations": _Kind(("items",), _permutations, '{"kind": "permutations", "items": "abc"}'),
    "combinations": _Kind(("items", "k"), _combinations, '{"kind": "combinations", "items": "abcd", "k": 2}'),
    "product": _Kind(("axes",), _product, '{"kind": "product", "axes": [["rate", [0.1, 0.2]], ["depth", [1, 2, 3]]]}'),
    "mask": _Kind(("alphabets",), _mask, '{"kind": "mask", "alphabets": ["ABC", "0123456789"]}'),
}
EXAMPLES = {kind: known.example for kind, known in _KINDS.items()}
