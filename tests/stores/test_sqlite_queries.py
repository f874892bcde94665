"""The named queries: all are used, and none that is used while others wait reads a whole table."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import teamtask.stores.sqlite
from teamtask.stores.sqlite.sql_files import QUERIES, schema_statements

# These are for verify, or read a table that is small.
MAY_SCAN = {"all_lists", "all_uploads", "dead_uploads", "deleted_lists", "old_events", "orphans", "spans"}


def test_every_query_is_used_and_every_used_query_is_there() -> None:
    folder = Path(teamtask.stores.sqlite.__file__).parent
    shared = [folder.with_name(name) for name in ("sql_reader.py", "verifying_rows.py")]
    code = "\n".join(file.read_text("utf-8") for file in [*folder.glob("*.py"), *shared])
    used = {name for name in QUERIES if f'"{name}"' in code}
    assert used == set(QUERIES)
    assert set(re.findall(r'QUERIES\["(\w+)"\]', code)) <= set(QUERIES)


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_a_query_finds_its_rows_by_an_index(name: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in schema_statements():
            connection.execute(statement)
        values = [1] * QUERIES[name].count("?")
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {QUERIES[name]}", values)]
    scans = [
        step for step in plan if step.startswith("SCAN") and step not in ("SCAN CONSTANT ROW", "SCAN deleted_lists")
    ]
    sorts = [step for step in plan if "TEMP B-TREE" in step and "RIGHT PART" not in step]
    if name not in MAY_SCAN:
        assert scans == sorts == [], plan
