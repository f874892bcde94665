"""`Tokens`: the API tokens of a site; kept as hashes, so that whoever reads the store cannot use them."""

from __future__ import annotations

import hashlib
import secrets
import time
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from teamtask.access import ROLES, Principal, SiteAction, SiteRole
from teamtask.ledger.errors import InvalidField, TeamtaskError
from teamtask.service.auditing import audit
from teamtask.service.directory import KNOWN_SECONDS, check_site
from teamtask.wire.dates import rfc_3339
from teamtask.wire.requests import check_name
from teamtask.wire.views import NewTokenShown, Page, Token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.service.idempotency import Idempotency
    from teamtask.stores.store import Reader, Store, Writer
    from teamtask.wire.requests import NewToken

KIND: Final = "token"
PREFIX: Final = "tt_"  # so that a token is recognised where it should not be
SECRET_CHARACTERS_MAX: Final = 256
SECRET_CHARACTERS_MIN: Final = 16  # of one that an administrator has thought of
LISTS_OF_TOKEN_MAX: Final = 1_000
SECONDS_MAX: Final = 100 * 366 * 86_400.0
_ID_CHARACTERS: Final = 16
_KNOWN_MAX: Final = 100_000
_LOOKED_AT_ONCE: Final = 1_000
EXPIRED_KEPT_SECONDS: Final = 7 * 86_400.0  # so long it is still shown, to tell who was let in
FORGOTTEN_AT_ONCE: Final = 1_000


class NoSuchToken(TeamtaskError):
    """There is no such token."""

    code = "not_found"
    hint = "`teamtask token ls` shows those there are."


class TokenMadeBefore(TeamtaskError):
    """The token was made by an earlier call with this Idempotency-Key; its secret was shown then and never again."""

    code = "token_made_before"
    hint = "Use that token; or revoke it, and make another with a new key."


class _Kept(Struct, frozen=True, omit_defaults=True):
    """A token as the store keeps it; dates in seconds since 1970."""

    name: str
    role: str
    created_at: float
    created_by: str
    lists: tuple[str, ...] | None = None
    site_roles: tuple[str, ...] = ()
    expires_at: float | None = None
    given: bool = False  # an admin token that whoever runs the server has thought of

    def principal(self) -> Principal:
        """Give who is calling with it; the name is the token's, so that rotation keeps the leases."""
        lists = None if self.lists is None else frozenset(self.lists)
        site_roles = frozenset(map(SiteRole, self.site_roles))
        return Principal(f"token:{self.name}", frozenset(), site_roles, ROLES[self.role], lists)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Kept).decode


class Tokens:
    """The tokens of one store. What another server revokes is refused here a second later. Safe for threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, tuple[float, _Kept, Principal]] = {}

    def principal_of(self, secret: str) -> Principal | None:
        """Give who calls with this secret; None when there is no such token, or it has expired."""
        now = time.monotonic()
        known = self._known.get(secret)
        if known is None or now - known[0] > KNOWN_SECONDS:
            known = self._look_up(secret, now)
        if known is None or _has_expired(known[1], time.time()):
            return None
        return known[2]

    def create(self, principal: Principal, body: NewToken, idempotency: Idempotency | None = None) -> NewTokenShown:
        """Make a token; give it with its secret, which nobody can see again.

        Raises Forbidden, InvalidField; for a call that is repeated with its key TokenMadeBefore.
        """
        check_site(principal, SiteAction.MANAGE_TOKENS)
        kept = _checked(body, principal.name)
        secret = PREFIX + secrets.token_urlsafe(32)
        key = _hash(secret)
        with self._store.write() as writer:
            if idempotency is not None:
                if idempotency.made_before(writer) is not None:
                    raise TokenMadeBefore
                idempotency.keep(writer, key[:_ID_CHARACTERS])
            _put(writer, principal, key, kept)
        return NewTokenShown(**asdict(_shown(key, kept)), token=secret)

    def ensure_admin(self, secret: str, *, given: bool = False) -> None:
        """Have a token with this secret that may do everything. Raises InvalidField for a secret that is none.

        One that is `given`, as a setting, takes the place of any that was given before, to whatever server.
        """
        if not SECRET_CHARACTERS_MIN <= len(secret) <= SECRET_CHARACTERS_MAX or not secret.isascii():
            raise InvalidField(
                f"An admin token has {SECRET_CHARACTERS_MIN} to {SECRET_CHARACTERS_MAX} ASCII characters.",
                field="admin_token",
                hint="`openssl rand -hex 32` makes one.",
            )
        key = _hash(secret)
        with self._store.read() as reader:
            is_there = _is_admin(reader, key, given=given)
            if is_there and not (given and _given_before(reader, key)):
                return
        server = Principal("server")
        with self._store.write() as writer:
            if not _is_admin(writer, key, given=given):
                kept = _Kept("admin", "owner", time.time(), server.name, site_roles=(str(SiteRole.ADMIN),), given=given)
                _put(writer, server, key, kept)
            for before, name in _given_before(writer, key) if given else ():
                writer.delete_document(KIND, before)
                audit(writer, server, "revoke_token", None, name=name)
        self._known.clear()

    def list(self, principal: Principal, after: str, limit: int) -> Page:
        """Show tokens, by id: those after an id. Raises Forbidden."""
        check_site(principal, SiteAction.MANAGE_TOKENS)
        with self._store.read() as reader:
            # The whole hash is nobody's business; it begins with the id, so it comes before the id and a tilde.
            found = reader.documents(KIND, after and f"{after}~", limit + 1)
        shown = tuple(_shown(key, _decode(value)) for key, value in found[:limit])
        return Page(shown, shown[-1].id if len(found) > limit else None)

    def delete(self, principal: Principal, token_id: str) -> None:
        """Revoke a token. Raises Forbidden, NoSuchToken."""
        check_site(principal, SiteAction.MANAGE_TOKENS)
        with self._store.write() as writer:
            found = writer.documents(KIND, token_id, 1) if len(token_id) == _ID_CHARACTERS else []
            if not found or not found[0][0].startswith(token_id):
                raise NoSuchToken(f"There is no token {token_id!r:.80}.")
            writer.delete_document(KIND, found[0][0])
            audit(writer, principal, "revoke_token", None, name=_decode(found[0][1]).name)
        self._known.clear()

    def _look_up(self, secret: str, now: float) -> tuple[float, _Kept, Principal] | None:
        if len(secret) > SECRET_CHARACTERS_MAX:
            return None
        with self._store.read() as reader:
            value = reader.document(KIND, _hash(secret))
        if value is None:
            self._known.pop(secret, None)
            return None
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        kept = _decode(value)
        known = self._known[secret] = (now, kept, kept.principal())
        return known


def _put(writer: Writer, principal: Principal, key: str, kept: _Kept) -> None:
    writer.put_document(KIND, key, _encode(kept))
    audit(writer, principal, "create_token", None, name=kept.name, role=kept.role)


def _is_admin(reader: Reader, key: str, *, given: bool) -> bool:
    """Tell whether there is that token; of a given one, whether it is known as that."""
    value = reader.document(KIND, key)
    return value is not None and (not given or _decode(value).given)


def _given_before(reader: Reader, key: str) -> list[tuple[str, str]]:
    """Give key and name of the given tokens other than this one."""
    return [(other, kept.name) for other, kept in _every(reader) if kept.given and other != key]


def _every(reader: Reader) -> Iterator[tuple[str, _Kept]]:
    """Give every token with its key, some at once from the store."""
    after: str | None = ""
    while after is not None:
        some = reader.documents(KIND, after, _LOOKED_AT_ONCE)
        yield from ((key, _decode(value)) for key, value in some)
        after = some[-1][0] if len(some) == _LOOKED_AT_ONCE else None


def forget_expired_tokens(store: Store, now: float) -> None:
    """Forget tokens that expired some days ago, 1,000 at most; `now` in seconds since 1970."""
    before = now - EXPIRED_KEPT_SECONDS
    with store.read() as reader:
        old = list(islice((key for key, kept in _every(reader) if _has_expired(kept, before)), FORGOTTEN_AT_ONCE))
    if not old:
        return
    with store.write() as writer:
        for key in old:
            value = writer.document(KIND, key)  # it may have become another meanwhile
            if value is not None and _has_expired(_decode(value), before):
                writer.delete_document(KIND, key)


def _has_expired(kept: _Kept, now: float) -> bool:
    return kept.expires_at is not None and kept.expires_at <= now


def _checked(body: NewToken, created_by: str) -> _Kept:
    name = check_name(body.name)
    if body.role not in ROLES:
        raise InvalidField(f"{body.role!r:.80} is no role.", field="role", hint=f"One of {', '.join(ROLES)}.")
    for role in body.site_roles:
        if role not in set(SiteRole):
            raise InvalidField(
                f"{role!r:.80} is no site role.", field="site_roles", hint=f"Some of {', '.join(SiteRole)}."
            )
    if body.lists is not None and len(body.lists) > LISTS_OF_TOKEN_MAX:
        raise InvalidField(f"A token is for {LISTS_OF_TOKEN_MAX:,} lists at most.", field="lists")
    for listed in body.lists or ():
        check_name(listed, "lists")
    seconds = body.expires_in_seconds
    if seconds is not None and not 0 < seconds <= SECONDS_MAX:
        raise InvalidField("It must be more than 0, and 100 years at most.", field="expires_in_seconds")
    now = time.time()
    return _Kept(
        name,
        body.role,
        now,
        created_by,
        None if body.lists is None else tuple(dict.fromkeys(body.lists)),
        tuple(dict.fromkeys(body.site_roles)),
        None if seconds is None else now + seconds,
    )


def _shown(key: str, kept: _Kept) -> Token:
    return Token(
        key[:_ID_CHARACTERS],
        kept.name,
        kept.role,
        None if kept.lists is None else list(kept.lists),
        list(kept.site_roles),
        rfc_3339(kept.created_at),
        kept.created_by,
        None if kept.expires_at is None else rfc_3339(kept.expires_at),
    )


def _hash(secret: str) -> str:
    # No salt and no slow hash: the secrets are 256 random bits, which nobody guesses (unlike passwords).
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
