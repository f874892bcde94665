"""The limits of a source and the checks that keep them: whatever comes from outside meets them here."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from teamtask.ledger.errors import InvalidSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DIGITS_MAX = 4_000  # of an index, a size or a range's numbers
NUMBER_END = 10**DIGITS_MAX
ITEMS_MAX = 100_000  # items of permutations or combinations, values of one axis, lines given in a body
AXES_MAX = 1_000
ALPHABET_MAX = 65_536  # characters
POSITIONS_MAX = 20_000  # characters of a string, alphabets of a mask
WEIGHT_MAX = 1_000_000  # characters, digits and values in all, so that a definition stays a few MB
DEPTH_MAX = 32  # of lists and objects inside one another
SEED_CHARACTERS_MAX = DIGITS_MAX + 1  # a number as text, with its sign
GROUP_SIZE_MAX = 4_096  # items that a source runs through at once, or remembers

_LN_NUMBER_END = DIGITS_MAX * math.log(10)
_DIGITS_SHOWN = 30


def shown(number: int) -> str:
    """Return a number for a message: the digits, or how many there are (Python prints 4,300 at most)."""
    if number.bit_length() < _DIGITS_SHOWN * 3:
        return str(number)
    return f"about {'-' if number < 0 else ''}10^{int(number.bit_length() * math.log10(2))}"


def quoted(text: str) -> str:
    """Return text for a message: ASCII, in quotes, cut when it is long."""
    return ascii(text) if len(text) <= _DIGITS_SHOWN else f"{text[:_DIGITS_SHOWN]!a}..."


def check_count(count: int, most: int, field: str, what: str) -> None:
    """Raise InvalidSource unless there are 1 to `most` of something."""
    if count == 0:
        raise InvalidSource(f"The list is empty: there are no {what}.", field=field, hint="Give at least one.")
    if count > most:
        message = f"{count:,} {what} are more than the {most:,} that are allowed."
        raise InvalidSource(message, field=field, hint=f"Give {most:,} or fewer.")


def check_number(number: int, field: str) -> None:
    """Raise InvalidSource unless the number has at most 4,000 digits."""
    if not -NUMBER_END < number < NUMBER_END:
        message = f"The number has more than {DIGITS_MAX:,} digits."
        raise InvalidSource(message, field=field, hint=f"Give a number of at most {DIGITS_MAX:,} digits.")


def check_size(size: int, field: str) -> None:
    """Raise InvalidSource unless the list has 1 to 10^4000 - 1 items."""
    if size <= 0:
        raise InvalidSource("The list is empty.", field=field, hint="Choose it so that it has at least one item.")
    if size >= NUMBER_END:
        raise_too_many(field)


def check_size_estimate(ln_size: float, field: str) -> None:
    """Raise InvalidSource when a size, given by its natural logarithm, is far too large to compute."""
    if ln_size > _LN_NUMBER_END + 1:
        raise_too_many(field)


def raise_too_many(field: str) -> None:
    """Raise InvalidSource for a list that no index can number."""
    message = f"The list would have more items than a number of {DIGITS_MAX:,} digits can count."
    raise InvalidSource(message, field=field, hint="Make it shorter, or split it into several lists.")


def bounded_product(factors: Iterable[int], field: str) -> int:
    """Multiply sizes. Raises InvalidSource as soon as the product is too large, so it costs little."""
    product = 1
    for factor in factors:
        product *= factor
        if product >= NUMBER_END:
            raise_too_many(field)
    return product


def check_alphabets(alphabets: Sequence[str], field: str) -> None:
    """Raise InvalidSource when one is empty, too long or has a character twice: items would repeat."""
    weight = 0
    for alphabet in {*alphabets}:
        if not alphabet:
            raise InvalidSource("An alphabet is empty.", field=field, hint="Give at least one character.")
        if len(alphabet) > ALPHABET_MAX:
            message = f"An alphabet has {len(alphabet):,} characters; {ALPHABET_MAX:,} are allowed."
            raise InvalidSource(message, field=field, hint="Give a shorter alphabet.")
        if len({*alphabet}) < len(alphabet):
            twice = Counter(alphabet).most_common(1)[0][0]
            message = f"The character {twice!a} is in an alphabet twice, so items would repeat."
            raise InvalidSource(message, field=field, hint="Give each character once.")
        check_text(alphabet, field)
    weight = sum(map(len, alphabets))
    if weight > WEIGHT_MAX:
        message = f"The alphabets have {weight:,} characters in all; {WEIGHT_MAX:,} are allowed."
        raise InvalidSource(message, field=field, hint="Give fewer or shorter alphabets.")


def check_text(text: str, field: str) -> None:
    """Raise InvalidSource when the text is no UTF-8, even with stray bytes escaped as Python does (PEP 383)."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        message = f"The text has half a surrogate pair, {text[error.start]!a}, which is no character."
        raise InvalidSource(message, field=field, hint="Send text as UTF-8.") from None


def check_values(values: Iterable[object], field: str, *, weight: int = 0) -> int:
    """Raise InvalidSource unless these are JSON values within the limits. Return their weight, added to `weight`."""
    for value in values:
        weight = _weigh(value, field, weight, DEPTH_MAX)
        if weight > WEIGHT_MAX:
            message = f"The values have more than {WEIGHT_MAX:,} characters and parts in all."
            raise InvalidSource(message, field=field, hint="Give fewer or shorter values: names instead of contents.")
    return weight


def _weigh(value: object, field: str, weight: int, depth: int) -> int:
    if depth == 0:
        message = f"A value is nested more than {DEPTH_MAX} deep."
        raise InvalidSource(message, field=field, hint="Give flatter values.")
    weight += 1
    match value:
        case None | bool():
            return weight
        case str():
            check_text(value, field)
            return weight + len(value)
        case int():
            check_number(value, field)
            return weight + value.bit_length() // 3
        case float() if math.isfinite(value):
            return weight
        case list():
            return _weigh_all(value, field, weight, depth)
        case dict() if all(isinstance(key, str) for key in value):
            return _weigh_all([*value, *value.values()], field, weight, depth)
    what = "a number that is not finite" if isinstance(value, float) else f"of type {type(value).__name__}"
    hint = "Use text, numbers, true, false, null, lists and objects with text keys."
    raise InvalidSource(f"A value is {what}, which JSON cannot carry.", field=field, hint=hint)


def _weigh_all(values: list[object], field: str, weight: int, depth: int) -> int:
    for value in values:
        weight = _weigh(value, field, weight, depth - 1)
        if weight > WEIGHT_MAX:
            break
    return weight
