"""Tokens: only whoever has a secret can use it, and not once it is revoked or has expired."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.access import Principal, Role, SiteRole
from teamtask.ledger.errors import InvalidField
from teamtask.service.auditing import audit_page
from teamtask.service.directory import Forbidden
from teamtask.service.tokens import EXPIRED_KEPT_SECONDS, KIND, NoSuchToken, Tokens, forget_expired_tokens
from teamtask.stores.memory import MemoryStore
from teamtask.stores.sqlite.sqlite_store import SqliteStore
from teamtask.wire.requests import NewToken

if TYPE_CHECKING:
    from pathlib import Path

ADMIN = Principal("token:admin", site_roles=frozenset({SiteRole.ADMIN}))
SECRET = "a-secret-of-an-administrator"  # noqa: S105 - of stores that live for a test


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(MemoryStore())


def test_a_token_is_who_it_says(tokens: Tokens) -> None:
    made = tokens.create(ADMIN, NewToken("ci", "worker", ["primes", "hosts", "primes"], ["auditor"]))
    assert tokens.principal_of(made.token) == Principal(
        "token:ci", frozenset(), frozenset({SiteRole.AUDITOR}), Role.WORKER, frozenset({"primes", "hosts"})
    )
    assert (made.name, made.role, made.lists, made.created_by) == ("ci", "worker", ["primes", "hosts"], "token:admin")
    everything = tokens.create(ADMIN, NewToken("all"))
    assert tokens.principal_of(everything.token) == Principal("token:all")
    nothing = tokens.create(ADMIN, NewToken("none", lists=[]))
    assert tokens.principal_of(nothing.token) == Principal("token:none", lists=frozenset())


def test_every_token_is_another(tokens: Tokens) -> None:
    made = [tokens.create(ADMIN, NewToken("same")) for _ in range(50)]
    assert len({token.token for token in made}) == len({token.id for token in made}) == 50
    assert all(len(token.token) >= 43 and token.token.startswith("tt_") for token in made)


def test_no_secret_is_in_the_store(tmp_path: Path) -> None:
    with closing(SqliteStore(str(tmp_path / "state"))) as store:
        tokens = Tokens(store)
        tokens.ensure_admin(SECRET)
        made = tokens.create(ADMIN, NewToken("ci"))
        assert tokens.principal_of(made.token) is not None
        store.backup(str(tmp_path / "backup"))
        files = [path.read_bytes() for path in tmp_path.iterdir()]
    files += [path.read_bytes() for path in tmp_path.iterdir()]
    for secret in (SECRET, made.token, made.token.removeprefix("tt_")):
        assert not any(secret.encode() in kept for kept in files)
    assert any(made.id.encode() in kept for kept in files), "its hash is"


def test_what_is_shown_of_a_token_is_not_enough_to_use_it(tokens: Tokens) -> None:
    made = tokens.create(ADMIN, NewToken("ci"))
    page = tokens.list(ADMIN, "", 1)
    for shown in (made.id, made.name, "token:ci", page.next, made.token[:-1], made.token + "x", made.token.upper()):
        assert shown is None or tokens.principal_of(shown) is None


@given(st.text() | st.text(st.characters(), min_size=250, max_size=300))
def test_no_other_text_is_a_secret(text: str) -> None:
    tokens = Tokens(MemoryStore())
    tokens.ensure_admin(SECRET)
    assert tokens.principal_of(text) is None


def test_a_token_that_is_revoked_is_refused_at_once(tokens: Tokens) -> None:
    made, other = tokens.create(ADMIN, NewToken("ci")), tokens.create(ADMIN, NewToken("ci"))
    assert tokens.principal_of(made.token) == tokens.principal_of(other.token)
    tokens.delete(ADMIN, made.id)
    assert tokens.principal_of(made.token) is None
    assert tokens.principal_of(other.token) is not None
    with pytest.raises(NoSuchToken):
        tokens.delete(ADMIN, made.id)


def test_what_another_server_revokes_is_soon_refused(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tokens.create(ADMIN, NewToken("ci"))
    assert tokens.principal_of(made.token) is not None
    Tokens(tokens._store).delete(ADMIN, made.id)
    monkeypatch.setattr("teamtask.service.tokens.KNOWN_SECONDS", -1.0)
    assert tokens.principal_of(made.token) is None


def test_a_token_holds_until_it_expires(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    made = tokens.create(ADMIN, NewToken("ci", expires_in_seconds=60))
    for passed, holds in ((0.0, True), (59.0, True), (60.0, False), (61.0, False)):
        monkeypatch.setattr(time, "time", lambda passed=passed: now + passed)
        assert (tokens.principal_of(made.token) is not None) is holds, passed
    assert [token.name for token in tokens.list(ADMIN, "", 10).items] == ["ci"], "it is still shown"


@pytest.mark.parametrize("token_id", ["", "0", "x" * 16, "0" * 64, "\x00" * 16, "é" * 16, "\ud800" * 16])
def test_what_is_no_id_of_a_token_revokes_none(tokens: Tokens, token_id: str) -> None:
    made = [tokens.create(ADMIN, NewToken("ci")) for _ in range(3)]
    with pytest.raises((NoSuchToken, InvalidField)):
        tokens.delete(ADMIN, token_id)
    with pytest.raises(NoSuchToken):
        tokens.delete(ADMIN, made[0].id[:-1])
    assert all(tokens.principal_of(token.token) for token in made)


def test_tokens_are_for_those_who_manage_them(tokens: Tokens) -> None:
    made = tokens.create(ADMIN, NewToken("ci"))
    for principal in (Principal("p"), Principal("p", site_roles=frozenset({SiteRole.CREATOR, SiteRole.AUDITOR}))):
        with pytest.raises(Forbidden):
            tokens.create(principal, NewToken("mine", site_roles=["admin"]))
        with pytest.raises(Forbidden):
            tokens.list(principal, "", 10)
        with pytest.raises(Forbidden):
            tokens.delete(principal, made.id)
    assert len(tokens.list(ADMIN, "", 10).items) == 1


def test_tokens_come_in_pages(tokens: Tokens) -> None:
    made = sorted(tokens.create(ADMIN, NewToken(f"t{number}")).id for number in range(7))
    found, after = [], ""
    while after is not None:
        page = tokens.list(ADMIN, after, 3)
        found += [token.id for token in page.items]
        after = page.next  # type: ignore[assignment]  # ended by None
    assert found == made


def test_where_a_page_goes_on_tells_nothing_that_is_not_shown(tokens: Tokens) -> None:
    for number in range(5):
        tokens.create(ADMIN, NewToken(f"t{number}"))
    page = tokens.list(ADMIN, "", 2)
    assert page.next == page.items[-1].id
    assert tokens.list(ADMIN, "~", 2).items == ()


def test_expired_tokens_are_forgotten_some_days_later(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamtask.service.tokens._LOOKED_AT_ONCE", 3)
    now = time.time()
    expiring = [tokens.create(ADMIN, NewToken(f"e{number}", expires_in_seconds=60.0)) for number in range(10)]
    kept = [tokens.create(ADMIN, NewToken("later", expires_in_seconds=3600.0)), tokens.create(ADMIN, NewToken("never"))]

    def names() -> list[str]:
        return sorted(token.name for token in tokens.list(ADMIN, "", 100).items)

    before = names()
    forget_expired_tokens(tokens._store, now + EXPIRED_KEPT_SECONDS)
    assert names() == before
    monkeypatch.setattr("teamtask.service.tokens.FORGOTTEN_AT_ONCE", 4)
    for left in (8, 4, 2, 2):
        forget_expired_tokens(tokens._store, now + 70 + EXPIRED_KEPT_SECONDS)
        assert len(names()) == left
    assert names() == ["later", "never"]
    assert all(tokens.principal_of(token.token) is not None for token in kept)
    assert all(Tokens(tokens._store).principal_of(token.token) is None for token in expiring)


def test_the_admin_token_is_made_once(tokens: Tokens) -> None:
    for _ in range(3):
        tokens.ensure_admin(SECRET)
    principal = tokens.principal_of(SECRET)
    assert principal == Principal("token:admin", site_roles=frozenset({SiteRole.ADMIN}))
    with tokens._store.read() as reader:
        assert len(reader.documents(KIND)) == 1
        assert len(reader.audit(None, 10)) == 1
    for secret in ("", "short", "x" * 257, "é" * 20):
        with pytest.raises(InvalidField) as refusal:
            tokens.ensure_admin(secret)
        assert (refusal.value.field, secret in refusal.value.message and secret != "") == ("admin_token", False)


def test_another_admin_token_that_is_given_takes_the_place_of_the_one_before(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamtask.service.tokens.KNOWN_SECONDS", -1.0)
    other_server = Tokens(tokens._store)
    made = tokens.create(ADMIN, NewToken("ops", site_roles=["admin"])).token
    tokens.ensure_admin("the-one-in-the-file")
    tokens.ensure_admin(SECRET, given=True)
    assert tokens.principal_of(SECRET) is not None
    other_server.ensure_admin("another-one-that-is-given", given=True)
    assert other_server.principal_of(SECRET) is None
    for _ in range(2):
        tokens.ensure_admin("another-one-that-is-given", given=True)
        assert tokens.principal_of(SECRET) is None
        for secret in ("another-one-that-is-given", "the-one-in-the-file", made):
            assert tokens.principal_of(secret) is not None, secret
    tokens.ensure_admin(SECRET, given=True)
    assert tokens.principal_of(SECRET) is not None
    assert tokens.principal_of("another-one-that-is-given") is None
    said = [(entry.action, entry.principal) for entry in audit_page(tokens._store, ADMIN, None, 4).items]
    assert said == [("revoke_token", "server"), ("create_token", "server")] * 2


def test_a_token_that_is_given_may_do_everything_whatever_it_was_before(tokens: Tokens) -> None:
    made = tokens.create(ADMIN, NewToken("ci", "viewer", ["primes"])).token
    tokens.ensure_admin(made, given=True)
    assert tokens.principal_of(made) == Principal("token:admin", site_roles=frozenset({SiteRole.ADMIN}))
    tokens.ensure_admin(SECRET, given=True)
    assert tokens.principal_of(made) is None


def test_there_may_be_very_many_tokens_beside_the_one_that_is_given(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamtask.service.tokens._LOOKED_AT_ONCE", 3)
    made = [tokens.create(ADMIN, NewToken("ci")).token for _ in range(10)]
    secrets = [f"a-secret-of-an-administrator-{number}" for number in range(10)]
    for secret in secrets:
        tokens.ensure_admin(secret, given=True)
    assert [secret for secret in secrets if tokens.principal_of(secret)] == secrets[-1:]
    assert all(tokens.principal_of(secret) for secret in made)


def test_the_trail_tells_of_tokens_and_never_a_secret(tokens: Tokens) -> None:
    made = tokens.create(ADMIN, NewToken("ci", "worker"))
    tokens.delete(ADMIN, made.id)
    entries = audit_page(tokens._store, ADMIN, None, 10).items
    assert [(entry.action, entry.principal, entry.detail) for entry in entries] == [
        ("revoke_token", "token:admin", {"name": "ci"}),
        ("create_token", "token:admin", {"name": "ci", "role": "worker"}),
    ]
