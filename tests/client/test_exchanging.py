"""A worker's exchanges: said until they are answered, kept on disk meanwhile, delivered by whoever comes next."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from teamtask.client import exchanging as exchanging_module
from teamtask.client.connection import ApiError, Connection, ServerUnreachable
from teamtask.client.exchanging import Exchanging
from teamtask.client.spool import Spool, SpoolFull
from teamtask.wire.exchange_json import decode_exchange
from teamtask.wire.messages import Exchange, Lease, Reply, Report, ReportError, Want
from teamtask.wire.result_batch import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.client.conftest import FakeServer, ServerProcess

    from teamtask.sdk import Client

HTML = b"<html><body>no server here</body></html>"
REPLY = b'{"reports": [], "leases": [], "state": "running", "retry_in_seconds": 1.5}'
DONE = (
    b'{"reports": [{"lease": "l", "status": "done", "cursor": 9, "end": 9}], "leases": [], "state": "running",'
    b' "retry_in_seconds": 1.5}'
)
WORK = Exchange("me", reports=(Report("l", 0, 9, results=pack([3], ["found"])),))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def to_fake(fake: FakeServer, folder: Path) -> Iterator[Exchanging]:
    connection = Connection(fake.url, "tt_x")
    yield Exchanging(connection, "primes", Spool("id", folder=folder))
    connection.close()


def kept_in(folder: Path, list_id: str = "id") -> list[bytes]:
    return [exchange for left in Spool(list_id, folder=folder).left_over() for exchange in left.exchanges()]


def claimed(exchanging: Exchanging, worker: str = "me") -> Lease:
    (lease,) = exchanging(Exchange(worker, "r1", Want())).leases
    return lease


def in_thread(exchanging: Exchanging, exchange: Exchange) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []

    def run() -> None:
        try:
            answers.append(exchanging(exchange))
        except Exception as error:  # noqa: BLE001 - the test looks at it
            answers.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, answers


def test_what_a_proxy_says_while_the_server_is_away_is_waited_out(
    fake: FakeServer, to_fake: Exchanging, answer_of: Callable[..., bytes], folder: Path
) -> None:
    fake.answers = [
        answer_of("502 Bad Gateway", HTML),
        answer_of("500 Internal Server Error", b'{"error": {"code": "internal_error", "message": "Oh."}}'),
        answer_of("429 Too Many Requests", b"", "Retry-After: 0"),
        answer_of("200 OK", HTML),  # a captive portal
        answer_of("200 OK", REPLY),  # the answer to something else
        answer_of("200 OK", DONE[:-9], length=len(DONE)),
        answer_of("200 OK", DONE),
    ]
    assert to_fake(WORK).reports[0].status == "done"
    assert len({request.body for request in fake.requests}) == 1
    assert kept_in(folder) == []
    assert list(folder.iterdir()) == []


def test_while_the_server_is_away_what_is_finished_lies_on_disk(
    own_server: ServerProcess, client_of: Callable[[ServerProcess], Client], folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(exchanging_module, "AWAY_SECONDS", 0.0)
    client = client_of(own_server)
    made = client.create("numbers", range(100), block={"size": 10})
    told: list[str] = []
    away = threading.Event()

    def notify(text: str) -> None:
        told.append(text)
        away.set()

    exchanging = Exchanging(client.connection, "numbers", Spool(made.id, folder=folder), notify)
    lease = claimed(exchanging)
    own_server.kill()
    report = Report(lease.lease, lease.index, lease.index + 5, results=pack([lease.index], ["first"]))
    renewal = Report("another", 0, 0)
    thread, answers = in_thread(exchanging, Exchange("me", "r2", Want(), (report, renewal)))
    assert away.wait(30)
    assert kept_in(folder, made.id) == []  # it is locked
    (path,) = folder.iterdir()
    assert b'"first"' in path.read_bytes()
    assert b'"another"' not in path.read_bytes()
    assert b"want" not in path.read_bytes()
    own_server.start()
    thread.join()
    assert [status.status for status in answers[0].reports] == ["held", "stale"]
    assert list(folder.iterdir()) == []
    assert len(told) == 2
    assert own_server.url in told[0]
    assert "answers again" in told[1]
    assert made.refresh().done == 5


def test_the_next_worker_on_the_list_delivers_first_what_was_left(client: Client, name: str, folder: Path) -> None:
    made = client.create(name, range(20), block={"size": 10})
    dying = Exchanging(client.connection, name, Spool(made.id, folder=folder))
    lease = claimed(dying)
    dying.keep(
        "me",
        [
            Report(lease.lease, 0, 4, results=pack([3], ["found"])),
            Report(lease.lease, 0, 0, release=True),  # nothing that would be lost
        ],
    )
    assert made.refresh().done == 0
    other = Exchanging(client.connection, name, Spool(made.id, folder=folder))
    other(Exchange("other"))
    assert made.refresh().done == 4
    assert [(result.index, result.worker) for result in made.results()] == [(3, "me")]
    assert list(folder.iterdir()) == []


def test_two_workers_that_begin_at_once_deliver_it_once_each_at_most(client: Client, name: str, folder: Path) -> None:
    made = client.create(name, range(20), block={"size": 10}, fold="sum")
    dying = Exchanging(client.connection, name, Spool(made.id, folder=folder))
    lease = claimed(dying)
    dying.keep("me", [Report(lease.lease, 0, 10, fold=45)])
    others = [Exchanging(client.connection, name, Spool(made.id, folder=folder)) for _ in range(6)]
    running = [in_thread(other, Exchange(f"other-{number}")) for number, other in enumerate(others)]
    for thread, answers in running:
        thread.join()
        assert isinstance(answers[0], Reply)
    assert (made.refresh().done, made.fold) == (10, 45)
    assert list(folder.iterdir()) == []


def test_what_waited_for_a_month_for_a_list_that_is_gone_is_tidied_away_and_nothing_else(
    client: Client, name: str, folder: Path
) -> None:
    made = client.create(name, range(20), block={"size": 10})
    other = client.create(f"{name}-other", range(20))
    spools = {list_id: Spool(list_id, folder=folder) for list_id in (other.id, "gone", "gone-lately", "held")}
    for list_id, spool in spools.items():
        spool.keep(b"{}")
        if list_id != "held":
            spool.close()
    for path in folder.iterdir():
        at = time.time() - (30 * 86_400 + 60 if not path.name.startswith("gone-lately") else 29 * 86_400)
        os.utime(path, (at, at))
    told: list[str] = []
    Exchanging(client.connection, name, Spool(made.id, folder=folder), told.append)(Exchange("me"))
    assert told == [
        "Tidied away 1 file of reports that have waited for 30 days, for lists that are not on this server."
    ]
    spools["held"].close()
    assert {list_id: len(kept_in(folder, list_id)) for list_id in spools} == {
        other.id: 1, "gone": 0, "gone-lately": 1, "held": 1,
    }  # fmt: skip


def test_a_server_that_does_not_tell_its_lists_has_nothing_tidied_away(
    fake: FakeServer, to_fake: Exchanging, answer_of: Callable[..., bytes], folder: Path
) -> None:
    spool = Spool("gone", folder=folder)
    spool.keep(b"{}")
    spool.close()
    (path,) = folder.iterdir()
    os.utime(path, (0, 0))
    fake.answers = [answer_of("200 OK", REPLY), answer_of("403 Forbidden", b"{}")]
    to_fake(Exchange("me"))
    assert path.exists()


@pytest.mark.parametrize("status", ["404 Not Found", "413 Content Too Large", "422 Unprocessable Content"])
def test_what_nobody_will_ever_take_is_not_kept(
    fake: FakeServer, to_fake: Exchanging, answer_of: Callable[..., bytes], folder: Path, status: str
) -> None:
    left = Spool("id", folder=folder)
    left.keep(b"left over")
    left.close()
    fake.answers = [answer_of(status, b'{"error": {"code": "c", "message": "No."}}')]
    with pytest.raises(ApiError, match="No"):
        to_fake(WORK)
    assert fake.requests[0].body == b"left over"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_what_somebody_with_a_better_token_may_deliver_is_kept(
    fake: FakeServer, to_fake: Exchanging, answer_of: Callable[..., bytes], folder: Path, status: str
) -> None:
    fake.answers = [answer_of(status, b'{"error": {"code": "c", "message": "No."}}')]
    with pytest.raises(ApiError, match="No"):
        to_fake(WORK)
    to_fake.keep("me", WORK.reports)
    assert len(kept_in(folder)) == 1
    better = Exchanging(Connection(fake.url, "tt_y"), "primes", Spool("id", folder=folder))
    fake.answers = [answer_of("200 OK", DONE), answer_of("200 OK", REPLY)]
    better(Exchange("other"))
    assert b'"found"' in fake.requests[-2].body
    assert kept_in(folder) == []


def test_whoever_gives_up_leaves_what_is_finished_to_the_next_one(folder: Path) -> None:
    exchanging = Exchanging(Connection("http://127.0.0.1:1", None), "primes", Spool("id", folder=folder))
    thread, answers = in_thread(exchanging, WORK)
    exchanging.give_up(0)
    thread.join()
    assert isinstance(answers[0], ServerUnreachable)
    exchanging.keep("me", [*WORK.reports, Report("m", 0, 2, error=ReportError("broken"))])
    (kept,) = kept_in(folder)
    assert b'"l"' in kept
    assert b'"m"' in kept


def test_what_is_left_in_the_end_is_kept_in_messages_that_a_server_takes(folder: Path) -> None:
    exchanging = Exchanging(Connection("http://127.0.0.1:1", None), "primes", Spool("id", folder=folder))
    large = pack([0], ["x" * 1_000_000])
    exchanging.keep("me", [Report(f"large {number}", 0, 1, results=large) for number in range(20)])
    kept = kept_in(folder)
    assert [len(decode_exchange(message).reports) for message in kept] == [8, 8, 4]
    exchanging.keep("me", [Report(f"small {number}", 0, 1) for number in range(2_001)])
    assert sorted(len(decode_exchange(message).reports) for message in kept_in(folder)) == [1, 4, 8, 8, 1000, 1000]


def test_a_spool_that_is_full_ends_the_work(fake: FakeServer, answer_of: Callable[..., bytes], folder: Path) -> None:
    fake.answers = [answer_of("502 Bad Gateway", HTML)]
    exchanging = Exchanging(Connection(fake.url, None), "primes", Spool("id", folder=folder, bytes_max=10))
    with pytest.raises(SpoolFull):
        exchanging(WORK)


def test_a_disk_that_keeps_nothing_is_said_and_the_server_is_waited_for(
    fake: FakeServer, answer_of: Callable[..., bytes], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    told: list[str] = []
    connection = Connection(fake.url, None)
    exchanging = Exchanging(connection, "primes", Spool("id", folder=tmp_path / "file" / "a"), told.append)
    fake.answers = [answer_of("502 Bad Gateway", HTML), answer_of("200 OK", DONE)]
    assert exchanging(WORK).reports[0].status == "done"
    connection.close()
    assert len(told) == 1
    assert "cannot be written" in told[0]
