"""How fast sources iterate a block, beside the itertools expression that yields the same items, in one run.

Prints nanoseconds an item from index 0 and from index 10^40 (where the list is that long), the best of
several rounds that take turns, as ratios to itertools: 2 or less is the aim. itertools cannot start at 10^40,
so there the ratio is to its own beginning. Then what it costs to start, to shuffle and to fingerprint.
"""

from __future__ import annotations

import itertools
import string
import time
from collections import deque
from operator import methodcaller
from typing import TYPE_CHECKING, Any, NamedTuple

from teamtask import sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from teamtask.sources import Source

FAR = 10**40
BLOCK_SIZE = 100_000
START_INDICES = 50
ROUNDS = 7
LOWER, DIGITS = string.ascii_lowercase, string.digits


class Case(NamedTuple):
    """A source, and what yields the same items from index 0 without us."""

    name: str
    source: Source[Any]
    plain: Callable[[], Iterator[Any]]


def cases() -> Iterator[Case]:
    """Every kind of source, small and large."""
    yield Case("range, step 3", sources.range(0, 10**60, 3), lambda: iter(range(0, 10**60, 3)))
    for alphabet, length in ((LOWER, 8), (LOWER, 40), ("01", 200)):
        source = sources.strings(alphabet, length=length)
        yield Case(f"strings of {length}, {len(alphabet)} characters", source, grid_of_text([alphabet] * length))
    source = sources.strings(LOWER, min_length=1, max_length=40)
    yield Case("strings of 1 to 40, 26 characters", source, strings_from_one)
    for length in (4, 40):
        alphabets = [LOWER, DIGITS] * (length // 2)
        yield Case(f"mask of {length}", sources.mask(*alphabets), grid_of_text(alphabets))
    for n in (10, 52):
        letters = string.ascii_letters[:n]
        yield Case(f"permutations of {n}, text", sources.permutations(letters), orders(letters, "".join))
        yield Case(f"permutations of {n}, list", sources.permutations([*letters]), orders(letters, list))
    for n, k in ((100, 3), (52, 5), (200, 60)):
        letters = "".join(map(chr, range(0x100, 0x100 + n)))
        yield Case(f"combinations of {n}, {k}, text", sources.combinations(letters, k), choices(letters, k, "".join))
        yield Case(f"combinations of {n}, {k}, list", sources.combinations([*letters], k), choices(letters, k, list))
    for count, values in ((3, [*range(100)]), (45, [*range(10)])):
        names = [f"axis{number}" for number in range(count)]
        yield Case(f"product of {count} axes", sources.product(dict.fromkeys(names, values)), grid(names, values))
    lines = [b"host%d.example.org" % number for number in range(BLOCK_SIZE)]
    decoded = methodcaller("decode", "utf-8", "surrogateescape")
    yield Case("lines in memory", sources.lines_in_memory(lines), lambda: map(decoded, lines))
    objects = [*range(BLOCK_SIZE)]
    yield Case("objects in memory", sources.as_source(objects), lambda: iter(objects))


def grid_of_text(alphabets: list[str]) -> Callable[[], Iterator[str]]:
    """Return what makes the strings of a mask."""
    return lambda: map("".join, itertools.product(*alphabets))


def strings_from_one() -> Iterator[str]:
    """Make strings of 1 character, then 2, then 3, ..."""
    lengths = itertools.count(1)
    return itertools.chain.from_iterable(map("".join, itertools.product(LOWER, repeat=n)) for n in lengths)


def orders(letters: str, made: Callable[[Any], Any]) -> Callable[[], Iterator[Any]]:
    """Return what makes the permutations."""
    return lambda: map(made, itertools.permutations(letters))


def choices(letters: str, k: int, made: Callable[[Any], Any]) -> Callable[[], Iterator[Any]]:
    """Return what makes the combinations."""
    return lambda: map(made, itertools.combinations(letters, k))


def grid(names: list[str], values: list[int]) -> Callable[[], Iterator[Any]]:
    """Return what makes the dicts of a product."""
    axes = [values] * len(names)
    return lambda: map(dict, map(zip, itertools.repeat(names), itertools.product(*axes)))


def seconds(made: Callable[[], object]) -> float:
    """Return how long one call takes."""
    begun = time.perf_counter()
    made()
    return time.perf_counter() - begun


def best(*made: Callable[[], object]) -> list[float]:
    """Return the shortest of several rounds for each, in turns: what else runs here disturbs all alike."""
    rounds = [[seconds(one) for one in made] for _ in range(ROUNDS)]
    return [min(column) for column in zip(*rounds, strict=True)]


def drained(items: Iterator[object]) -> None:
    """Take every item at the speed of C."""
    deque(items, maxlen=0)


def iteration(case: Case) -> str:
    """Measure one case and return its line of the table."""
    source, size = case.source, min(BLOCK_SIZE, case.source.size)
    made = [
        lambda: drained(itertools.islice(case.plain(), size)),
        lambda: drained(source.items(0, size)),
    ]
    if source.size > FAR + size:
        made.append(lambda: drained(source.items(FAR, size)))
    plain, *ours = (taken / size * 1e9 for taken in best(*made))
    columns = "".join(f"{taken:12.0f}{taken / plain:8.2f}" for taken in ours)
    return f"{case.name:36}{plain:12.0f}{columns}"


def start(case: Case) -> str:
    """Measure the first item of a block, on average over blocks that begin anywhere in a group."""
    near = range(0, min(case.source.size, 100_000), max(1, min(case.source.size, 100_000) // START_INDICES))
    made = [lambda: [next(case.source.items(index, 1)) for index in near]]
    if case.source.size > FAR + 100_000:
        made.append(lambda: [next(case.source.items(FAR + index, 1)) for index in near])
    return f"{case.name:36}" + "".join(f"{taken / len(near) * 1e6:12.1f}" for taken in best(*made))


def shuffling() -> Iterator[str]:
    """Measure an item of shuffled lists of growing size."""
    for digits in (3, 6, 9, 18, 40, 400, 3_999):
        size = 20_000 if digits < 400 else 500
        source = sources.shuffled(sources.range(10**digits), 1)
        first = min(size, source.size)
        (taken,) = best(lambda: drained(source.items(0, first)))  # noqa: B023 - called at once
        yield f"range of 10^{digits:<24}{taken / first * 1e6:12.1f}"


def fingerprints() -> Iterator[str]:
    """Measure the fingerprint of lines as an import computes it: 10,000 lines at a time."""
    for length in (15, 100, 1_000):
        lines = [b"x" * length] * 10_000

        def taken_in() -> None:
            fingerprint = sources.LinesFingerprint()
            for _ in range(10):
                fingerprint.update(lines)  # noqa: B023 - called at once

        (taken,) = best(taken_in)
        yield f"lines of {length:<27}{taken / 100_000 * 1e9:12.0f}{length * 100_000 / taken / 1e6:12.0f}"


def main() -> None:
    """Measure everything and print it."""
    every = [*cases()]
    print(
        f"{'ns an item, blocks of 100,000':36}{'itertools':>12}{'from 0':>12}{'ratio':>8}{'from 10^40':>12}{'ratio':>8}"
    )
    for case in every:
        print(iteration(case), flush=True)
    print(f"\n{'us to the first item of a block':36}{'near 0':>12}{'near 10^40':>12}")
    for case in every:
        print(start(case), flush=True)
    print(f"\n{'shuffled':36}{'us an item':>12}")
    for line in shuffling():
        print(line, flush=True)
    print(f"\n{'fingerprint':36}{'ns a line':>12}{'MB/s':>12}")
    for line in fingerprints():
        print(line, flush=True)


if __name__ == "__main__":
    main()
