"""Lists on a real server, from Python: create, look, change; and which server that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import teamtask
from teamtask.client.connection import ApiError, ServerUnreachable
from teamtask.ledger.errors import InvalidField, InvalidSource
from teamtask.sdk import Client
from teamtask.settings import DEFAULT_URL, admin_token, parse_bind, remember_server
from teamtask.sources import as_source, combinations, mask, permutations, product, shuffled, strings
from teamtask.wire.views import Worklist as View

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.client.conftest import ServerProcess

    from teamtask.sources import Source


@pytest.mark.parametrize(
    "source",
    [
        teamtask.range(5), teamtask.range(2**70, 2**70 + 4, 2), strings("ab", max_length=3),
        permutations([1, "b", None]), combinations("abcd", 2), mask("ab", "01"),
        product(rate=[0.5, 2**60], depth=[1, 2]), shuffled(strings("abc", length=2), 7),
    ],
)  # fmt: skip
def test_a_source_is_the_same_on_both_sides(client: Client, name: str, source: Source[object]) -> None:
    made = client.create(name, source)
    assert (made.size, made.fingerprint) == (source.size, source.fingerprint)
    seen: list[object] = []
    for block in client.work(name):
        seen += block
        block.done()
    assert sorted(map(str, seen)) == sorted(map(str, source.items(0, source.size)))


def test_options_are_those_of_the_api(client: Client, name: str) -> None:
    options = {
        "start": 2**60, "block": {"size": 7}, "lease_seconds": 9.5, "attempts": 5, "labels": {"team": "maths"},
        "priority": 3, "weight": 2.5, "fold": {"top": 3}, "stop_after_results": 2**53,
    }  # fmt: skip
    made = client.create(name, range(10), **options)
    assert {option: getattr(made, option) for option in options if option not in ("block", "fold")} == {
        option: value for option, value in options.items() if option not in ("block", "fold")
    }
    assert (made.block["size"], made.fold_rule, made.fold) == (7, {"top": 3}, None)
    assert isinstance(made.view, View)
    with pytest.raises(ApiError) as refused:
        client.create(name + "-2", range(10), colour="red")
    assert refused.value.field == "colour"


def test_lines_are_uploaded_as_they_come(client: Client, name: str) -> None:
    drawn = []

    def lines() -> Iterator[str]:
        for number in range(5000):
            drawn.append(number)
            yield f"line {number}"

    made = client.create(name, lines())
    assert (made.state, made.size, len(drawn)) == ("running", 5000, 5000)
    assert made.items(4999, 10) == ["line 4999"]


def test_an_upload_that_fails_leaves_no_list(client: Client, name: str, tmp_path: Path) -> None:
    def lines() -> Iterator[str]:
        yield "a"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        client.create(name, lines())
    with pytest.raises(ApiError):
        client.get(name)
    with pytest.raises(ApiError):
        client.create(name, [])  # no items
    (tmp_path / "empty").touch()
    with pytest.raises(InvalidSource):
        client.create(name, teamtask.lines(tmp_path / "empty"))
    assert client.create(name, ["a"]).state == "running"


@pytest.mark.parametrize("source", ["abc", as_source([1, 2])])
def test_what_a_server_cannot_keep_is_refused(client: Client, name: str, source: Source[str]) -> None:
    with pytest.raises(InvalidSource):
        client.create(name, source)


def test_a_name_is_taken_once(client: Client, name: str) -> None:
    client.create(name, range(3))
    with pytest.raises(ApiError) as taken:
        client.create(name, range(3))
    assert (taken.value.status, taken.value.code) == (409, "name_taken")


def test_a_list_is_paused_cancelled_resumed_and_changed(client: Client, name: str) -> None:
    made = client.create(name, range(3))
    assert made.pause().state == "paused"
    assert made.resume().state == "running"
    assert made.cancel().state == "cancelled"
    assert made.wait(0.01) is made
    assert made.resume().state == "running"
    assert made.change(attempts=7, labels={"a": "b"}).attempts == 7
    assert client.get(name).labels == {"a": "b"}
    assert [found.name for found in client.lists(label="a=b")] == [name]
    assert name in [found.name for found in client.lists(state="running")]
    assert name not in [found.name for found in client.lists(state="paused")]


def test_what_is_done_may_be_done_again(client: Client, name: str) -> None:
    made = client.create(name, range(10), block={"size": 10})
    for block in client.work(name):
        block.done([(3, "x", False)])
    assert made.refresh().failed == 1
    assert made.rerun(failed=True) == 1
    assert made.state == "running"
    assert list(made.ranges()) == [(0, 3), (4, 6)]
    assert list(made.ranges("returned")) == [(3, 1)]
    assert made.rerun([(0, 2), (8, 2)]) == 4
    assert made.rerun("4-5,7") == 3
    assert made.refresh().done == 2


def test_lists_come_in_pages(client: Client, name: str) -> None:
    names = [f"{name}-{number}" for number in range(120)]
    for one in names:
        client.create(one, range(3), labels={"pages": name})
    assert [found.name for found in client.lists(label=f"pages={name}")] == sorted(names)


def test_a_list_that_is_deleted_is_gone(client: Client, name: str) -> None:
    client.create(name, range(3)).delete()
    with pytest.raises(ApiError):
        client.get(name)
    client.create(name, range(3))
    client.delete(name)
    with pytest.raises(ApiError):
        client.delete(name)


def test_large_numbers_are_exact(client: Client, name: str) -> None:
    made = client.create(name, teamtask.range(10**400), start=10**399, block={"size": 10**300}, fold="sum")
    assert (made.size, made.start, made.frontier) == (10**400, 10**399, 10**399)
    for block in client.work(name):
        assert (block.index, block.size) == (10**399, 10**300)
        block.done(fold=10**350)
        break
    assert made.refresh().fold == 10**350
    assert list(made.ranges()) == [(10**399, 10**300)]


def test_an_unknown_attribute_is_none(client: Client, name: str) -> None:
    made = client.create(name, range(3))
    with pytest.raises(AttributeError):
        _ = made.colour


def test_the_server_is_the_one_that_is_named(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAMTASK_URL", server.url)
    monkeypatch.setenv("TEAMTASK_TOKEN", server.token)
    client = teamtask.Client()
    assert client.connection.url == server.url
    list(client.lists())
    client.close()
    assert Client("http://other:1", "tt_x").connection.url == "http://other:1"


def test_the_server_is_else_that_of_this_user_on_this_machine(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("TEAMTASK_URL", "TEAMTASK_TOKEN", "TEAMTASK_ADMIN_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    assert Client().connection.url == DEFAULT_URL
    remember_server(parse_bind(server.url.removeprefix("http://")))
    token = admin_token()
    client = Client()
    assert client.connection.url == server.url
    with pytest.raises(ApiError) as refused:  # as the token is another than that of the server in these tests
        list(client.lists())
    assert refused.value.status == 401
    client.close()
    assert client.connection._transport._headers["authorization"] == f"Bearer {token}"
    named = Client(server.url).connection._transport
    assert "authorization" not in named._headers, "it is not for servers that are named"


def test_a_wrong_address_is_refused() -> None:
    with pytest.raises(InvalidField):
        Client("localhost:8080")


def test_nobody_there_is_an_error_of_teamtask() -> None:
    client = Client("http://127.0.0.1:1", "tt_x")
    client.connection.retry_seconds = 0.0
    with pytest.raises(ServerUnreachable) as error:
        client.get("a")
    assert isinstance(error.value, teamtask.TeamtaskError)
