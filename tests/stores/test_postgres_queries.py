"""The named queries of PostgreSQL: all are used, and none that is used while others wait reads a whole table."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

import teamtask.stores.postgres
from teamtask.stores.postgres.connecting import Target
from teamtask.stores.postgres.sql_files import QUERIES

# These are for verify, or read a table that is small.
MAY_SCAN = {"deleted_lists", "dead_uploads", "disown_uploads", "old_events", "orphans", "renew_uploads", "spans"}
MAY_SORT = {"lock_lists", "marks", "tail", "all_uploads"}  # what is read whole all the same
MARKS = re.compile(r"\$(\d+)")


def test_every_query_is_used_and_every_used_query_is_there() -> None:
    folder = Path(teamtask.stores.postgres.__file__).parent
    shared = [folder.with_name(name) for name in ("sql_reader.py", "verifying_rows.py")]
    code = "\n".join(file.read_text("utf-8") for file in [*folder.glob("*.py"), *shared])
    assert {name for name in QUERIES if f'"{name}"' in code} == set(QUERIES)
    assert set(re.findall(r'QUERIES\["(\w+)"\]', code)) <= set(QUERIES)


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_a_query_finds_its_rows_by_an_index_whatever_it_is_asked_for(postgres_url: str, name: str) -> None:
    """A plan for any values, made while the tables are empty: the worst moment."""
    count = len(set(MARKS.findall(QUERIES[name].decode())))
    with Target(postgres_url, "teamtask", 5.0).connect() as connection:
        connection.execute(b"PREPARE query AS " + QUERIES[name])
        asked = b"(" + b", ".join([b"NULL"] * count) + b")" if count else b""
        with psycopg.Cursor(connection) as cursor:
            plan = [row[0] for row in cursor.execute(b"EXPLAIN EXECUTE query" + asked)]
    if name not in MAY_SCAN:
        assert not [step for step in plan if "Seq Scan" in step or "Bitmap" in step], plan
    if name not in MAY_SCAN | MAY_SORT:
        assert not [step for step in plan if "->  Sort " in step or step.startswith("Sort ")], plan
