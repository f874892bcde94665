"""`authenticate`: the principal of an `Authorization: Bearer` header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamtask.ledger.errors import TeamtaskError

if TYPE_CHECKING:
    from teamtask.access import Principal
    from teamtask.service.tokens import Tokens


class Unauthorized(TeamtaskError):
    """The request carries no credentials that hold here."""

    code = "unauthorized"
    hint = "Send `Authorization: Bearer TOKEN`; an admin makes one with `teamtask token create`."


def authenticate(tokens: Tokens, authorization: bytes | None) -> Principal:
    """Give who calls with this header. Raises Unauthorized, which does not tell what was wrong with it."""
    if authorization is None:
        raise Unauthorized
    scheme, _, secret = authorization.partition(b" ")
    if scheme.lower() != b"bearer":
        raise Unauthorized
    principal = tokens.principal_of(secret.strip().decode("latin-1"))
    if principal is None:
        raise Unauthorized
    return principal
