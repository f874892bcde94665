"""Where a list is looked for: among the runs of this machine, on its server, or on the one that is named."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from teamtask import settings
from teamtask.cli import servers
from teamtask.cli.servers import Place, server_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RANGE = {"kind": "range", "start": 0, "stop": 10}


def remember(url: str, token: str | None) -> Path:
    """Leave the files of a server of this user."""
    parts = urlsplit(url)
    settings.remember_server(settings.Bind(parts.hostname or "", parts.port or 0))
    folder = settings.server_folder()
    if token is not None:
        (folder / "admin-token").write_text(token)
    return folder


def forgotten(url: str) -> None:
    """Leave what a server of this user leaves that is killed: its file, which nobody holds any more."""
    settings.admin_token()
    (settings.server_folder() / f"{urlsplit(url).port}.url").write_text(url)


@pytest.fixture
def near(lists: Any, served: Any) -> Iterator[Any]:  # noqa: ARG001 - it gives the state folder
    """A server of this user on this machine, with one list."""
    remember(served.url, served.token)
    connection = served.connection()
    connection.call("POST", "/v1/lists", body={"name": "primes", "source": RANGE})
    yield served
    served.forget()


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nobody listens, and nobody else can."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.usefixtures("near")
def test_a_name_is_a_run_first_and_then_a_list_of_the_server_of_this_machine(lists: Any, teamtask: Any) -> None:
    lists.of_lines("hosts", [b"a", b"b"])
    assert json.loads(teamtask("show", "primes", "-o", "json").out)["size"] == 10
    assert json.loads(teamtask("show", "hosts", "-o", "json").out)["size"] == 2
    lists.of_lines("primes", [b"a", b"b", b"c"])
    assert json.loads(teamtask("show", "primes", "-o", "json").out)["size"] == 3


def test_ls_shows_both_and_where_each_is(near: Any, lists: Any, teamtask: Any) -> None:
    lists.of_lines("hosts", [b"a"])
    assert teamtask("ls", "-o", "name").lines == ["hosts", "primes"]
    header, hosts, primes = (line.split() for line in teamtask("ls", "-o", "wide").lines)
    assert header[-2:] == ["COMMAND", "SERVER"]
    assert hosts[-2:] == ["true", "-"]
    assert primes[-2:] == ["-", near.url]


def test_a_named_server_is_the_only_place(near: Any, lists: Any, teamtask: Any) -> None:
    lists.of_lines("hosts", [b"a"])
    for words in (("--url", near.url), ("--url", near.url + "/", "--token", near.token)):
        assert teamtask("ls", "-o", "name", *words).lines == ["primes"]
        done = teamtask("show", "hosts", *words)
        assert (done.code, done.out) == (1, b"")
        assert done.err.startswith(f"teamtask: There is no list 'hosts' at {near.url}.\n")


@pytest.mark.usefixtures("near")
def test_a_name_that_fits_nothing_is_told_the_near_ones_of_both(lists: Any, teamtask: Any) -> None:
    lists.of_lines("prime-hosts", [b"a"])
    assert "Did you mean prime-hosts or primes?" in teamtask("show", "prime").err


def test_the_file_of_a_server_that_was_killed_harms_nothing(lists: Any, teamtask: Any, nobody: str) -> None:
    forgotten(nobody)
    lists.of_lines("hosts", [b"a"])
    done = teamtask("ls", "-o", "name")
    assert (done.code, done.lines, done.err) == (0, ["hosts"], "")
    assert teamtask("show", "host").err == "teamtask: There is no run 'host'.\n  Did you mean hosts?\n"


def test_whoever_listens_where_a_killed_server_did_is_sent_no_token(lists: Any, teamtask: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        forgotten("http://127.0.0.1:{1}".format(*stranger.getsockname()))
        lists.of_lines("hosts", [b"a"])
        assert teamtask("ls", "-o", "name").lines == ["hosts"]
        stranger.settimeout(0.2)
        with pytest.raises(TimeoutError):
            stranger.accept()


@pytest.mark.parametrize("text", ["", "http://", "http://[", "http://127.0.0.1:99999", "\xff", "file:///etc/passwd"])
def test_a_damaged_file_of_a_server_harms_nothing(lists: Any, teamtask: Any, text: str) -> None:
    lists.of_lines("hosts", [b"a"])
    folder = settings.server_folder()
    folder.mkdir(parents=True)
    (folder / "8080.url").write_bytes(text.encode("latin-1"))
    done = teamtask("ls", "-o", "name")
    assert (done.code, done.lines, done.err) == (0, ["hosts"], "")


def test_a_server_that_does_not_know_us_is_named_and_the_runs_are_shown(
    near: Any, lists: Any, teamtask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists.of_lines("hosts", [b"a"])
    monkeypatch.setenv("TEAMTASK_TOKEN", "a-token-that-nobody-takes")
    done = teamtask("ls", "-o", "name")
    assert (done.code, done.lines) == (0, ["hosts"])
    assert done.err == "The server of this machine shows no lists: The request carries no credentials that hold here.\n"
    for words in (("show", "primes"), ("ls", "--url", near.url)):
        refused = teamtask(*words)
        assert refused.code == 1
        assert refused.err.startswith("teamtask: The request carries no credentials that hold here.\n  Send `Author")


def test_a_named_server_that_does_not_answer_is_an_error(
    lists: Any, teamtask: Any, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "PATIENCE_SECONDS", 0.0)
    lists.of_lines("hosts", [b"a"])
    for words in (("ls",), ("show", "hosts"), ("create", "primes", "--range", "0:3")):
        done = teamtask(*words, "--url", nobody)
        assert (done.code, done.out) == (1, b"")
        assert f"teamtask: {nobody} does not answer: Connection refused.\n" in done.err


@pytest.mark.parametrize(
    "words", [("create", "primes", "--range", "0:3"), ("token", "ls"), ("token", "create", "ci"), ("workers",)]
)
def test_what_needs_a_server_says_how_one_is_started(teamtask: Any, words: tuple[str, ...]) -> None:
    done = teamtask(*words)
    assert (done.code, done.out) == (1, b"")
    assert done.err.endswith(
        "teamtask: No server is named, and none runs on this machine.\n"
        "  `teamtask serve` starts one here; --url and --token name another.\n"
    )


def test_a_state_file_and_a_server_exclude_one_another_but_a_variable_is_no_flag(
    lists: Any, teamtask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists.of_lines("hosts", [b"a"])
    file = str(lists.path("hosts"))
    assert teamtask("show", "--state", file, "--url", "http://127.0.0.1:1").code == 2
    monkeypatch.setenv("TEAMTASK_URL", "http://127.0.0.1:1")
    assert teamtask("show", "--state", file, "-o", "name").lines == ["hosts"]


def test_an_address_that_is_none_is_said(teamtask: Any) -> None:
    for url in ("somewhere", "ftp://here", "http://me:secret@here"):
        done = teamtask("ls", "--url", url)
        assert done.code == 1
        assert "server" in done.err


def test_the_token_of_this_user_is_given_to_servers_of_this_user_alone(near: Any) -> None:
    for url in (near.url, f"{near.url}/"):
        found = server_of(Place(url=url))
        assert found is not None
        assert found._transport._headers["authorization"] == f"Bearer {near.token}"
    for url in ("http://127.0.0.1:1", "http://127.0.0.1:65535", f"{near.url}/x", near.url.replace("http", "https")):
        found = server_of(Place(url=url))
        assert found is not None
        assert "authorization" not in found._transport._headers
