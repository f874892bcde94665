"""A list on a server as a worker sees it: its items by index across outages, growth and other lists of its name."""

from __future__ import annotations

import importlib.util
import math
import random
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from teamtask.client import list_items
from teamtask.client.answers import ServerUnreachable
from teamtask.client.connection import Connection
from teamtask.client.list_items import PAGES_MAX, ItemsNotThere, OtherItems
from teamtask.wire.messages import Exchange, Lease, Report, Want
from teamtask.wire.result_batch import pack, pack_encoded
from teamtask.worker import remote_list
from teamtask.worker.remote_list import RemoteList

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from server_helpers import Server

LINES = 25_000  # three pages


def _shared(name: str) -> Any:
    """Load what the acceptance tests share; by path, as the suite itself is imported."""
    if name not in sys.modules:
        path = Path(__file__).parents[1] / "acceptance" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


_shared("run_helpers")
_HELPERS = _shared("server_helpers")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = _HELPERS.Server(tmp_path_factory.mktemp("server"))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def far_of(server: Server) -> Iterator[Callable[[str], RemoteList]]:
    made: list[Connection] = []

    def make(name: str) -> RemoteList:
        made.append(Connection(server.url, server.token, retry_seconds=5.0))
        return RemoteList(made[-1], name, lambda _: None)

    yield make
    for connection in made:
        connection.close()


def lines(server: Server, count: int = LINES, **options: Any) -> str:
    return server.lines(b"".join(b"%d\n" % number for number in range(count)), block={"size": count}, **options)


def claimed(far: RemoteList, *reports: Report) -> Lease:
    (lease,) = far.exchange(Exchange("me", "r", Want(), reports)).leases
    return lease


def texts(index: int, size: int) -> list[str]:
    return [str(number) for number in range(index, index + size)]


def in_thread(iterate: Callable[[], Iterator[Any]]) -> tuple[threading.Thread, list[Any]]:
    """Go through something in a thread; the list ends with what went wrong, if anything did."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.extend(iterate())
        except Exception as error:  # noqa: BLE001 - the test looks at it
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


@pytest.mark.parametrize("start", [0, 7, 2**60])
def test_items_of_a_rule_are_computed_here_by_the_indices_of_the_list(
    server: Server, far_of: Callable[[str], RemoteList], start: int
) -> None:
    far = far_of(server.create({"kind": "strings", "alphabet": "ab", "length": 2}, start=str(start)))
    assert far.computed is not None
    assert list(far.items(start, 4)) == ["aa", "ab", "ba", "bb"]
    assert list(far.items(start + 1, 2)) == ["ab", "ba"]


def test_lines_come_in_pages_in_whatever_order_they_are_asked_for(
    server: Server, far_of: Callable[[str], RemoteList]
) -> None:
    far = far_of(lines(server, start=1_000))
    assert far.computed is None
    lease = claimed(far)
    assert (lease.index, lease.size) == (1_000, LINES)
    assert list(far.items(1_000, LINES)) == texts(0, LINES)
    chance = random.Random(1)
    for _ in range(30):
        index = chance.randrange(LINES)
        size = chance.randrange(min(12_000, LINES - index)) + 1
        assert list(far.items(1_000 + index, size)) == texts(index, size)
    assert len(far._items._pages) <= PAGES_MAX


def test_several_threads_may_go_through_the_items_at_once(server: Server, far_of: Callable[[str], RemoteList]) -> None:
    far = far_of(lines(server))
    claimed(far)
    begun = [(at * 5_000, in_thread(lambda at=at: far.items(at * 5_000, 5_000))) for at in range(5)]
    for index, (thread, found) in begun:
        thread.join()
        assert found == texts(index, 5_000)


def test_a_small_lease_brings_its_items_along(tmp_path: Path) -> None:
    server = _HELPERS.Server(tmp_path / "server")
    try:
        far = RemoteList(Connection(server.url, server.token), server.lines(b"a\n\xff\nc"), lambda _: None)
        found = []
        for _ in range(3):
            lease = claimed(far)
            server.kill()
            found += list(far.items(lease.index, lease.size))
            if found[-1] == "c":
                break
            server.start()
            far.exchange(Exchange("me", reports=(Report(lease.lease, lease.index, lease.index + lease.size),)))
        assert found == ["a", "\udcff", "c"]
    finally:
        server.close()


def test_a_server_that_is_away_is_waited_for_until_giving_up(tmp_path: Path) -> None:
    server = _HELPERS.Server(tmp_path / "server")
    try:
        far = RemoteList(Connection(server.url, server.token), lines(server), lambda _: None)
        server.kill()
        thread, found = in_thread(lambda: far.items(0, LINES))
        _HELPERS.wait_until(lambda: far.is_busy)
        server.start()
        thread.join()
        assert found == texts(0, LINES)
        far = RemoteList(Connection(server.url, server.token), lines(server), lambda _: None)
        server.kill()
        thread, found = in_thread(lambda: far.items(0, LINES))
        far.give_up(math.inf)
        thread.join()
        (trouble,) = found
        assert isinstance(trouble, ServerUnreachable)
    finally:
        server.close()


def test_a_server_that_stands_still_is_not_waited_for_after_giving_up(tmp_path: Path) -> None:
    server = _HELPERS.Server(tmp_path / "server")
    try:
        name = lines(server, 15_000)
        far = RemoteList(Connection(server.url, server.token), name, lambda _: None)
        server.freeze()
        thread, found = in_thread(lambda: far.items(0, 15_000))
        _HELPERS.wait_until(lambda: far.is_busy)
        far.give_up(0.0)
        thread.join()
        assert isinstance(found[-1], ItemsNotThere)
    finally:
        server.thaw()
        server.close()


def test_a_list_that_has_grown_is_looked_at_again(server: Server, far_of: Callable[[str], RemoteList]) -> None:
    name = server.numbers(10, block={"size": 10})
    far = far_of(name)
    computed = far.computed
    lease = claimed(far)
    server.call("POST", f"/v1/lists/{name}/grow", {"size": 15})
    lease = claimed(far, Report(lease.lease, 0, 10))
    assert (lease.index, lease.size) == (10, 5)
    assert list(far.items(10, 5)) == [10, 11, 12, 13, 14]
    assert computed is not None
    assert not computed.covers(10, 1), "what was forked before cannot make them"


def test_items_that_were_awaited_are_there_when_they_are_leased(
    server: Server, far_of: Callable[[str], RemoteList]
) -> None:
    name = server.create({"kind": "lines"})
    far = far_of(name)
    reply = far.exchange(Exchange("me", "r", Want()))
    assert (reply.state, reply.leases) == ("awaiting_items", ())
    server.upload(name, b"a")
    lease = claimed(far)
    assert list(far.items(lease.index, lease.size)) == ["a"]


@pytest.mark.parametrize("looked", [False, True], ids=["", "looked at since"])
def test_another_list_of_the_same_name_is_not_worked_and_what_it_leased_is_given_back(
    server: Server, far_of: Callable[[str], RemoteList], *, looked: bool
) -> None:
    name = server.numbers(10)
    far = far_of(name)
    server.call("DELETE", f"/v1/lists/{name}")
    server.call("POST", "/v1/lists", {"name": name, "source": {"kind": "range", "start": 0, "stop": 10}})
    if looked:
        far._look()
    with pytest.raises(OtherItems, match="another one has its name now"):
        claimed(far)
    shown = server.show(name)
    assert (shown["leased"], shown["done"]) == (0, 0)


def test_other_items_than_this_version_makes_are_not_worked(
    server: Server, far_of: Callable[[str], RemoteList], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = server.numbers(10)
    make = list_items.source_from_definition
    monkeypatch.setattr(
        list_items, "source_from_definition", lambda definition: make({**definition, "start": 5, "stop": 15})
    )
    with pytest.raises(OtherItems, match="would make other items"):
        claimed(far_of(name))
    assert server.show(name)["leased"] == 0


def test_a_report_that_cannot_be_said_is_an_error_of_its_own(
    server: Server, far_of: Callable[[str], RemoteList]
) -> None:
    far = far_of(server.numbers(4, block={"size": 4}))
    lease = claimed(far)
    deep = b"[" + b"[" * 150 + b"]" * 150 + b"]"
    reports = (
        Report(lease.lease, 0, 1, results=pack([0], ["fine"])),
        Report(lease.lease, 0, 2, begin=1, results=pack_encoded([1], deep)),
        Report(lease.lease, 0, 3, begin=2, results=pack([2], ["x" * 2_000_000])),
        Report(lease.lease, 0, 4, begin=3, results=pack([3], ["fine too"])),
    )
    reply = far.exchange(Exchange("me", reports=reports))
    assert [status.status for status in reply.reports] == ["held", "error", "error", "held"]
    assert "levels deep" in str(reply.reports[1].error)
    assert "1,048,576 are the most" in str(reply.reports[2].error)


def test_how_the_list_stands_is_asked_for_beside_the_work(server: Server, far_of: Callable[[str], RemoteList]) -> None:
    name = server.numbers(4, block={"size": 4})
    far = far_of(name)
    lease = claimed(far)
    far.exchange(Exchange("me", reports=(Report(lease.lease, 0, 3),)))
    assert far.looked_at()["done"] in (0, 3)
    _HELPERS.wait_until(lambda: not far.is_busy)
    assert far.looked_at()["done"] == 3


def test_slots_that_a_limit_of_the_list_keeps_idle_are_told_of_once_when_they_stay_so(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    name = server.numbers(4, limits={"blocks_per_worker": 2})
    far = RemoteList(Connection(server.url, server.token), name, said.append)
    now = 100.0
    monkeypatch.setattr(remote_list, "time", SimpleNamespace(monotonic=lambda: now))
    for seconds, held, free in [(0, 2, 6), (1, 1, 7), (1, 2, 6), (1, 2, 0), (1, 2, 6), (1.9, 2, 6)]:
        now += seconds
        far.refused(held, free)
    assert said == [], "others have the rest, or it passed by itself"
    for _ in range(3):
        now += 0.2
        far.refused(2, 6)
    (told,) = said
    assert told.startswith(f"6 slots are idle: {name} gives a worker 2 leases at most.")
    assert told.endswith(f"teamtask set {name} --limit-blocks-per-worker N")
