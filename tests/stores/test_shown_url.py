"""What is shown of a store's URL: all that leads to it, and no password, also where the URL is wrong."""

from __future__ import annotations

import pytest

from teamtask.ledger.errors import TeamtaskError
from teamtask.stores.open_store import open_store
from teamtask.stores.shown_url import shown_url

PLACE = "127.0.0.1:1/d"


@pytest.mark.parametrize(
    "url",
    [
        "memory:",
        "sqlite:file",
        "sqlite:///srv/me:too@home/password=x",
        "postgresql://me@host:5432/base?sslmode=verify-full&sslrootcert=system",
        "postgres://me@a:1,b,[::1]:2/base?target_session_attrs=read-write",
        "postgresql:///base?host=/run/postgresql&port=5433&passfile=/etc/pgpass",
        "postgresql://me%40here@host/base",
    ],
)
def test_what_is_not_secret_is_shown(url: str) -> None:
    assert shown_url(url) == url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:s3cret@host/base?sslmode=require", "postgresql://me@host/base?sslmode=require"),
        ("postgresql://host/base?password=s3cret&sslmode=require", "postgresql://host/base?sslmode=require"),
        ("postgresql://host/base?sslmode=require&sslpassword=s3cret", "postgresql://host/base?sslmode=require"),
        ("postgresql://host/base?user=me&p%61ssword=s3cret", "postgresql://host/base?user=me"),
        ("postgresql://host/base?password=s3cret", "postgresql://host/base"),
        ("postgresql://me:s3/cret@host/base", "postgresql://***@host/base"),
        ("postgresql://me:s3cret", "postgresql://***"),
    ],
)
def test_a_password_is_left_out(url: str, shown: str) -> None:
    assert shown_url(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        f"POSTGRESQL://u:s3cret@{PLACE}",
        f"postgresql+psycopg://u:s3cret@{PLACE}",
        "postgres+asyncpg://u:s3cret@db/d",
        "postgresql:u:s3cret@h",
        "host=h user=u password=s3cret",
        "host=h user=u password = 's3 cret'",
        "sqlite://u:s3cret@host/file",
        f"postgresql://u:s3%zzcret@{PLACE}",
        f"postgresql://u:s3/cret@{PLACE}",
        f"postgresql://u:s3#cret@{PLACE}",
        f"postgresql://u:s3?cret@{PLACE}",
        f"postgresql://u:s3@cret@{PLACE}",
        f"postgresql://u:1/s3cret@{PLACE}",
        f"postgresql://u:1/x?s3cret@{PLACE}",
        "postgresql://u:s3cret",
        f"postgresql://u@{PLACE}?password=s3cret&colour=red",
        f"postgresql://u@{PLACE}?password=s3%zzcret",
        f"postgresql://u@{PLACE}?password=s3@cret",
        f"postgresql://u@{PLACE}?password=s3&cret",
        f"postgresql://{PLACE}?user=u&password=s3cret",
    ],
)
def test_nothing_that_is_said_of_a_wrong_url_has_a_part_of_the_password(url: str) -> None:
    with pytest.raises(TeamtaskError) as refusal:
        open_store(url)
    told = [shown_url(url), refusal.value.message, str(refusal.value.hint)]
    assert [text for text in told if "s3" in text or "cret" in text] == []
