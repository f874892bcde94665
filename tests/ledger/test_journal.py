"""The journal and the snapshot: both are read as they were written, and what is unknown stops the list."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_desk import Desk, state_of

from teamtask.ledger import events as e
from teamtask.ledger.applying import APPLY
from teamtask.ledger.commands import Exchange, Facts, Failure, Outcomes, Report, Want
from teamtask.ledger.decide import carry_out
from teamtask.ledger.errors import UnknownFormat
from teamtask.ledger.events import decode_events, encode_events
from teamtask.ledger.invariants import check_invariants
from teamtask.ledger.rules import BlockRule, Limits, Rules
from teamtask.ledger.snapshot import VERSION, load_ledger, save_ledger

EVENTS = [kind for kind in e.Event.__args__ if kind is not e.Created]


def some_desk() -> Desk:
    """A list with something of everything in it."""
    desk = Desk(10**30, start=10**30, block=10, attempts=2, fold={"top": 3}, limits=Limits(items_per_second=1e6))
    desk.sweep(1)
    held = [desk.claim(name, request=f"request of {name}") for name in ("ann", "bob", "cy", "dé 💥")]
    start = held[0].start
    desk.report(held[0], start + 4, fold=[3, 2.5, 1])
    desk.report(held[0], start, ranges=((start + 6, start + 8),), fold=[10**400])
    desk.report(held[1], held[1].start, error=Failure("killed", held[1].start + 3))
    desk.report(held[2], held[2].start, failed=((held[2].start, "once"),))
    desk.report(desk.claim("bob"), held[2].start, failed=((held[2].start, "twice"),), index=held[2].start)
    desk.take_back(held[3])
    return desk


def test_a_snapshot_of_everything_is_read_as_it_was_written() -> None:
    desk = some_desk()
    saved = save_ledger(desk.ledger)
    loaded = load_ledger(saved)
    check_invariants(loaded)
    assert save_ledger(loaded) == saved
    assert state_of(loaded) == state_of(desk.ledger)
    assert loaded.requests == desk.ledger.requests
    assert loaded.next_expiry >= desk.ledger.next_expiry


def test_a_loaded_ledger_decides_as_the_one_that_was_saved() -> None:
    desk = some_desk()
    loaded = load_ledger(save_ledger(desk.ledger))
    for number in range(40):
        lease = next(iter(desk.ledger.leases.values()), None)
        report = () if lease is None else (Report(lease.id, lease.start, lease.stop, fold=[number]),)
        command = Exchange(e.WorkerKey("p", f"worker-{number % 3}"), report, Want())
        facts = Facts(f"next-{number}", "n", epoch=desk.epoch)
        desk.now += 5
        assert carry_out(loaded, command, desk.now, facts) == carry_out(desk.ledger, command, desk.now, facts)


def test_every_event_can_be_applied_and_has_a_tag_of_its_own() -> None:
    assert APPLY.keys() == {*EVENTS}
    tags = [kind.__struct_config__.tag for kind in [e.Created, *EVENTS]]
    assert len({*tags}) == len(tags)


@given(st.data())
def test_events_are_read_as_they_were_written(data: st.DataObject) -> None:
    """With numbers of any size and texts of any kind."""
    huge = st.integers(-(10**4_000), 10**4_000) | st.integers(0, 100)
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    times = st.floats(allow_nan=False, allow_infinity=False)
    for annotation, strategy in ((int, huge), (str, text), (float, times), (Any, st.none() | huge | st.lists(huge))):
        st.register_type_strategy(annotation, strategy) if annotation is not Any else None
    key = st.builds(e.WorkerKey, text, text)
    ranges = st.lists(st.tuples(huge, huge), max_size=3).map(tuple)
    memory = st.builds(e.Memory, text, key, huge, huge)
    piece = st.builds(
        e.Piece, huge, huge, huge, st.lists(key, max_size=2).map(tuple), huge, st.lists(memory, max_size=2).map(tuple)
    )
    fold = st.none() | huge | st.lists(huge, max_size=3) | st.booleans()
    rules = st.builds(Rules, block=st.builds(BlockRule, size=st.none() | st.integers(1, 10**4_000)))
    made = st.one_of(
        st.builds(e.Created, rules, huge, huge, st.sampled_from(e.ListState), times, text),
        st.builds(e.Granted, text, text, key, st.none() | text, huge, huge, huge, st.booleans(), huge, times, times),
        st.builds(e.Completed, text, times, times, huge, huge, fold),
        st.builds(e.Recorded, text, ranges, times, times, times, huge, huge, fold),
        st.builds(e.RecordedLate, text, key, ranges, times, huge, huge, fold),
        st.builds(e.Extended, text, times),
        st.builds(e.Returned, text, st.lists(piece, max_size=3).map(tuple)),
        st.builds(e.Parked, text, huge, huge, text),
        st.builds(e.Ended, text, st.sampled_from(e.Cause)),
        st.builds(e.Cut, text, huge),
        st.builds(e.LeasesRenewed, times, text, st.booleans()),
        st.builds(e.WorkerSeen, key, times),
        st.builds(e.WorkersRefreshed, times),
        st.builds(e.Moved, st.sampled_from(e.ListState), st.none() | text, times),
        st.builds(e.RulesChanged, rules),
        st.builds(e.Grown, huge),
        st.builds(e.Unparked, ranges),
        st.builds(e.Rerun, ranges, huge, huge, huge),
    )
    events = data.draw(st.lists(made, max_size=4))
    assert decode_events(encode_events(events)) == events


@pytest.mark.parametrize(
    "row",
    [
        b"", b"{}", b"[", b"\xff", b'[["steal","a"]]', b'[["beat"]]', b'[["beat","a","soon"]]',
        b'[["beat","a",1.0,"what a newer version adds"]]', b'[["rules",{"what a newer version adds":1}]]',
        b'[["rules",{"limits":{"what a newer version adds":1}}]]', b'[["state","asleep",null]]',
        b'[["beat","\xff",1.0]]', b'[["grow",' + b"9" * 5_000 + b"]]", b"[" * 5_000,
    ],
)  # fmt: skip
def test_an_event_that_this_version_does_not_know_is_never_skipped(row: bytes) -> None:
    with pytest.raises(UnknownFormat):
        decode_events(row)


def test_an_event_of_an_older_version_is_read() -> None:
    assert decode_events(b'[["state","paused",null],["renew",1.0,"boot"],["rerun",[[0,1]],0,0]]') == [
        e.Moved(e.ListState.PAUSED, None, 0.0),
        e.LeasesRenewed(1.0, "boot", anew=False),
        e.Rerun(((0, 1),), 0, 0, 0),
    ]


def without_workers() -> bytes:
    """The snapshot of a ledger with a lease whose worker it does not know."""
    desk = Desk()
    desk.claim("anybody")
    desk.ledger.workers.by_key.clear()
    return save_ledger(desk.ledger)


@pytest.mark.parametrize(
    "state",
    [b"", b"{}", b"[]", b"null", b"[1]", b"\xff", b'["x"]', b"[[]]", b'["\xff"]', b"[" * 5_000, without_workers()],
)
def test_what_is_no_snapshot_is_refused(state: bytes) -> None:
    with pytest.raises(UnknownFormat) as caught:
        load_ledger(state)
    assert "snapshot" in caught.value.message


def test_a_snapshot_of_a_newer_version_is_refused_by_its_version() -> None:
    saved = msgspec.json.decode(save_ledger(Desk().ledger))
    for newer in ([VERSION + 1, *saved[1:]], [VERSION + 1, *saved[1:], "what it adds"], [VERSION + 1]):
        with pytest.raises(UnknownFormat, match=f"version {VERSION + 1}; this Teamtask knows {VERSION}"):
            load_ledger(msgspec.json.encode(newer))


def test_an_exchange_adds_little_to_the_journal() -> None:
    desk = Desk(10**6, block=1)
    lease = desk.claim()
    desk.exchange("ann", Report(lease.id, 0, 1, outcomes=Outcomes(((0, 1),))), want=True)
    assert len(desk.journal[-1]) < 200
