"""A sorted collection that never changes, against sorted lists."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from teamtask.stores.sorted_runs import SortedRuns


def itself(item: int) -> int:
    return item


@given(st.lists(st.sets(st.integers(0, 60), max_size=9), max_size=12), st.integers(-1, 61), st.integers(0, 60))
def test_it_answers_as_a_sorted_list_does(batches: list[set[int]], asked: int, removed: int) -> None:
    runs: SortedRuns[int] = SortedRuns(itself)
    items: set[int] = set()
    moments = []
    for batch in batches:
        runs = runs.plus(batch - items)
        items |= batch
        moments.append((runs, sorted(items)))
    moments.append((runs.without(removed), sorted(items - {removed})))
    for moment, ordered in moments:  # the older ones too: they never change
        assert list(moment) == ordered
        assert list(moment.since(asked)) == [item for item in ordered if item >= asked]
        assert moment.before(asked) == max([item for item in ordered if item < asked], default=None)
        assert moment.last() == (ordered[-1] if ordered else None)


@given(st.permutations(range(300)))
def test_it_stays_in_few_pieces_however_it_grows(items: list[int]) -> None:
    runs: SortedRuns[int] = SortedRuns(itself)
    for item in items:
        runs = runs.plus([item])
    assert len(runs._runs) <= 10
