"""Returned pieces against a model that keeps, for each index, its failures and who may still report it late."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from teamtask.ledger.events import Memory, Piece, WorkerKey
from teamtask.ledger.pieces import Pieces
from teamtask.ledger.rules import MEMORIES_MAX

ANN = WorkerKey("p", "ann")
LEASES = ["a", "b", "c"]
steps = st.lists(
    st.tuples(
        st.sampled_from(["give", "give", "take"]),
        st.tuples(st.integers(0, 30), st.integers(1, 8)),
        st.integers(0, 1),
        st.sets(st.sampled_from(LEASES)),
    ),
    max_size=25,
)


def memory(lease: str, start: int, stop: int) -> Memory:
    return Memory(lease, ANN, start, stop)


def contents(pieces: Pieces) -> dict[int, tuple[int, frozenset[str]]]:
    """What is kept of each index, after a look at the order, the size and the merging."""
    found: dict[int, tuple[int, frozenset[str]]] = {}
    held = list(pieces)
    for left, right in pairwise(held):
        assert left.stop <= right.start
        assert left.stop < right.start or left.failures or right.failures, "siblings without failures are one"
    for piece in held:
        for index in range(piece.start, piece.stop):
            remembers = frozenset(one.lease for one in piece.memories if one.start <= index < one.stop)
            found[index] = (piece.failures, remembers)
    assert pieces.size == len(found)
    assert len(pieces) == len(held)
    return found


@given(steps)
def test_what_is_given_back_is_kept_until_it_is_taken(
    steps: list[tuple[str, tuple[int, int], int, set[str]]],
) -> None:
    pieces, expected = Pieces(), dict[int, tuple[int, frozenset[str]]]()
    for what, (start, size), failures, leases in steps:
        stop = start + size
        inside = set(range(start, stop)) & expected.keys()
        if what == "take":
            touched, kept = pieces.take(start, stop)
            lost = sum(piece.stop - piece.start for piece in touched) - sum(part.stop - part.start for part in kept)
            assert lost == len(inside)
            for index in inside:
                del expected[index]
        elif not inside:
            # The memory of a lease reaches beyond the piece: of that nothing may be kept.
            piece = Piece(start, stop, failures, (), 0, tuple(memory(lease, start - 3, stop + 3) for lease in leases))
            absorbed, joined = pieces.add(piece)
            assert joined in pieces.pieces
            assert not any(other in pieces.pieces for other in absorbed)
            expected |= {index: (failures, frozenset(leases)) for index in range(start, stop)}
        assert contents(pieces) == expected


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8)), max_size=5), st.integers(0, 30), st.integers(1, 12))
def test_the_pieces_that_touch_a_range_are_found(ends: list[tuple[int, int]], start: int, size: int) -> None:
    pieces, indices = Pieces(), set[int]()
    for begin, length in ends:
        if length and not indices & set(range(begin, begin + length)):
            pieces.add(Piece(begin, begin + length, failures=1))
            indices |= set(range(begin, begin + length))
    asked = set(range(start, start + size))
    found = pieces.touching(start, start + size)
    assert found == [piece for piece in pieces if asked & set(range(piece.start, piece.stop))]


def test_parts_of_one_lease_that_touch_are_remembered_as_one() -> None:
    pieces = Pieces()
    for start, stop in ((0, 3), (5, 9), (3, 5)):
        pieces.add(Piece(start, stop, memories=(memory("a", 0, 9),)))
    assert list(pieces) == [Piece(0, 9, memories=(memory("a", 0, 9),))]


def test_a_piece_remembers_a_bounded_number_of_leases() -> None:
    pieces = Pieces()
    for number in range(2 * MEMORIES_MAX + 1):
        pieces.add(Piece(number, number + 1, memories=(memory(f"lease-{number}", number, number + 1),)))
    assert [len(piece.memories) for piece in pieces] == [MEMORIES_MAX, MEMORIES_MAX, 1]


def test_of_two_that_become_one_the_restarts_of_the_worse_are_kept() -> None:
    pieces = Pieces([Piece(0, 1, restarts=3), Piece(1, 2, restarts=1)])
    assert list(pieces) == [Piece(0, 2, restarts=3)]
