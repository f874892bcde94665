"""Who is calling, from the header alone: a secret that holds, behind the word Bearer, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.auth.api_tokens import Unauthorized, authenticate
from teamtask.service.tokens import Tokens
from teamtask.stores.memory import MemoryStore

SECRET = "a-secret-of-an-administrator"  # noqa: S105 - of stores that live for a test


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    made = Tokens(MemoryStore())
    made.ensure_admin(SECRET)
    return made


@pytest.mark.parametrize("header", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}", "Bearer {}  "])
def test_a_bearer_token_that_holds_is_somebody(tokens: Tokens, header: str) -> None:
    assert authenticate(tokens, header.format(SECRET).encode()).name == "token:admin"


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        SECRET.encode(),
        b"Bearer" + SECRET.encode(),
        b"Basic " + SECRET.encode(),
        b"Token " + SECRET.encode(),
        b" Bearer " + SECRET.encode(),
        b"Bearer " + SECRET.encode()[:-1],
        b"Bearer " + SECRET.upper().encode(),
        b"Bearer " + SECRET.encode() + b", Bearer x",
        b"Bearer " + SECRET.encode() * 100,
        b"Bearer \xff\xfe\x00",
    ],
)
def test_everything_else_is_nobody(tokens: Tokens, header: bytes | None) -> None:
    with pytest.raises(Unauthorized) as refusal:
        authenticate(tokens, header)
    assert (refusal.value.message, refusal.value.detail) == (Unauthorized().message, {}), "all are told the same"


@given(st.binary(max_size=400))
def test_no_bytes_at_all_are_too_much(header: bytes) -> None:
    made = Tokens(MemoryStore())
    for sent in (header, b"Bearer " + header):
        with pytest.raises(Unauthorized):
            authenticate(made, sent)
