"""`teamtask token`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

pytestmark = pytest.mark.parametrize("lists", ["server"], indirect=True)
RANGE = {"kind": "range", "start": 0, "stop": 10}


def listed(teamtask: Any, name: str) -> dict[str, Any]:
    (found,) = (each for each in json.loads(teamtask("token", "ls", "-o", "json").out)["items"] if each["name"] == name)
    return dict(found)


@pytest.fixture
def primes(lists: Any) -> None:
    lists.create("primes", RANGE)


@pytest.mark.usefixtures("primes")
def test_the_secret_alone_is_data_and_it_works(lists: Any, teamtask: Any) -> None:
    made = teamtask("token", "create", "ci", "--role", "worker", "--list", "primes")
    assert made.code == 0
    (secret,) = made.lines
    assert secret.startswith("tt_")
    assert made.err.startswith("token:ci is worker of primes.\nMade ")
    assert secret not in made.err
    assert json.loads(teamtask("show", "primes", "-o", "json").out)["roles"] == {"worker": ["token:ci"]}
    lists.create("other", RANGE)
    theirs = ("--token", secret)
    assert teamtask("ls", "-o", "name", *theirs).lines == ["primes"]
    refused = teamtask("pause", "primes", *theirs)
    assert refused.code == 1
    assert refused.err.startswith("teamtask: You are a worker of primes; this takes the role owner.\n")
    assert teamtask("create", "more", "--range", "0:3", *theirs).code == 1
    assert teamtask("token", "ls", *theirs).code == 1


@pytest.mark.usefixtures("primes")
def test_roles_that_others_have_stay(teamtask: Any) -> None:
    teamtask("set", "primes", "--worker", "group:staff", "--viewer", "everyone")
    for _ in range(2):
        assert teamtask("token", "create", "ci", "--role", "worker", "--list", "primes", "--list", "primes").code == 0
    roles = json.loads(teamtask("show", "primes", "-o", "json").out)["roles"]
    assert roles == {"worker": ["group:staff", "token:ci"], "viewer": ["everyone"]}


def test_a_site_role_and_an_end_are_given_with_it(teamtask: Any) -> None:
    made = teamtask("token", "create", "anna", "--site-role", "creator", "--expires", "30d")
    theirs = ("--token", made.text.strip())
    assert teamtask("create", "hers", "--range", "0:3", *theirs).code == 0
    anna = listed(teamtask, "anna")
    assert (anna["role"], anna["lists"], anna["site_roles"]) == ("owner", None, ["creator"])
    left = datetime.fromisoformat(anna["expires_at"]) - datetime.now(UTC)
    assert 29 < left.total_seconds() / 86_400 <= 30
    header, *rows = (line.split() for line in teamtask("token", "ls", "-o", "wide").lines)
    assert header == ["ID", "NAME", "ROLE", "LISTS", "SITE-ROLES", "EXPIRES", "CREATED", "BY"]
    assert [row[1:5] for row in rows if row[1] == "anna"] == [["anna", "owner", "all", "creator"]]
    assert "anna" in teamtask("token", "ls", "-o", "name").lines


def test_a_token_that_is_revoked_no_longer_works(teamtask: Any) -> None:
    made = teamtask("token", "create", "ci")
    token = listed(teamtask, "ci")
    assert teamtask("ls", "--token", made.text.strip()).code == 0
    done = teamtask("token", "rm", token["id"])
    assert (done.code, done.out, done.err) == (0, b"", f"Revoked {token['id']}.\n")
    assert teamtask("ls", "--token", made.text.strip()).code == 1
    again = teamtask("token", "rm", token["id"])
    assert again.code == 1
    assert again.err.startswith(f"teamtask: There is no token '{token['id']}'.\n")


@pytest.mark.usefixtures("primes")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("create",), 2, "Missing argument 'NAME'"),
        (("create", "ci", "--role", "king"), 2, "'king' is not one of"),
        (("create", "ci", "--site-role", "king"), 2, "'king' is not one of"),
        (("create", "ci", "--expires", "0d"), 2, "is no time: write 90, 15m, 12h, 30d or 4w."),
        (("create", "ci", "--expires", "tomorrow"), 2, "is no time"),
        (("create", "ci", "--expires", "999999999w"), 1, "100 years at most"),
        (("create", "c i"), 1, "'c i' is no name."),
        (("create", "ci", "--role", "worker", "--list", "nope"), 1, "There is no list 'nope'."),
        (("rm",), 2, "Missing argument"),
        (("rm", "../lists"), 1, "teamtask: "),
        (("rm", "x" * 16), 1, "There is no token"),
    ],
)
def test_what_is_wrong_is_said_and_makes_no_token(
    teamtask: Any, words: tuple[str, ...], code: int, message: str
) -> None:
    done = teamtask("token", *words)
    assert (done.code, done.out) == (code, b"")
    assert message in done.err
    assert teamtask("token", "ls", "-o", "name").lines == ["admin"]
    assert teamtask("ls", "-o", "name").lines == ["primes"]


def test_an_owner_who_may_not_change_a_list_leaves_no_token_behind(lists: Any, teamtask: Any) -> None:
    """An admin whose token is for viewers may make tokens, but give nobody a role."""
    lists.create("primes", RANGE)
    boss = teamtask("token", "create", "boss", "--site-role", "admin", "--role", "viewer").text.strip()
    done = teamtask("token", "create", "ci", "--role", "worker", "--list", "primes", "--token", boss)
    assert (done.code, done.out) == (1, b"")
    assert "this takes the role owner" in done.err
    assert sorted(teamtask("token", "ls", "-o", "name").lines) == ["admin", "boss"]
