"""The SQL of a store, read from the .sql files of its package."""

from __future__ import annotations

import re
from importlib.resources import files

_NAME = re.compile(r"^-- (\w+) --$", re.MULTILINE)
_COMMENT = re.compile(r"--.*")


def read_queries(package: str) -> dict[str, str]:
    """Read `-- name --` and the statement below it from queries.sql, as procrastinate keeps its queries."""
    _head, *named = _NAME.split(_text(package, "queries.sql"))
    return {name: _COMMENT.sub("", sql).strip() for name, sql in zip(named[::2], named[1::2], strict=True)}


def read_statements(package: str, name: str) -> list[str]:
    """Read the statements of a file, in order; each ends with a semicolon at the end of a line."""
    return [statement for part in _COMMENT.sub("", _text(package, name)).split(";\n") if (statement := part.strip())]


def _text(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")
