"""Writes reference/api.md from the OpenAPI document, so that it says what `/docs` of a server says.

    python docs/make_api_reference.py

A test fails when the page is not what this script would write.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from teamtask.api.openapi import document
from teamtask.api.openapi_calls import TypeName, about_errors, calls, errors, types

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamtask.api.openapi_calls import Call, Kind, Part, Row, Shown, Type

PAGE = Path(__file__).parent / "reference" / "api.md"
BEGINNING = """<!-- written by docs/make_api_reference.py; do not edit -->

# Web API

A server shows the same at `/docs`, and for programs as OpenAPI 3.1 at `/v1/openapi.json`; neither takes a token. The
examples are calls as they were made, with what came back; `TEAMTASK_URL` is the address of the server and
`TEAMTASK_TOKEN` a token.
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), "utf-8")


def page() -> str:
    """Give the whole page."""
    described = document()
    parts = [BEGINNING.rstrip(), described["info"]["description"]]
    for tag in described["tags"]:
        parts += [f"## {tag['name']}", tag["description"]]
        parts += [section(call) for call in calls() if call.tag == tag["name"]]
    rows = [(f"`{code}`", str(status), words) for code, status, words in errors()]
    parts += ["## Errors", about_errors(), table(("code", "status", "meaning"), rows)]
    parts += ["## Types", *map(type_section, types())]
    return "\n\n".join(parts) + "\n"


def section(call: Call) -> str:
    """Give what one call has to say."""
    parts = [f"### {call.method} {call.path}", f"{call.summary}.", call.about, f"Needs {call.needs}."]
    if call.parameters:
        parts.append(rows_table("parameter", call.parameters))
    lines = [] if call.body is None else [part_line("Body", call.body)]
    lines += [part_line(f"Answer {part.status}", part) for part in call.answers]
    if call.errors:
        lines.append("Errors: " + ", ".join(f"{status} `{code}`" for status, code in call.errors))
    parts.append("\n".join(f"- {line}" for line in lines))
    parts += map(example, call.examples)
    return "\n\n".join(part for part in parts if part)


def part_line(title: str, part: Part) -> str:
    """Give a line about a body or an answer."""
    said = [kind(part.kind)] if part.kind else []
    if part.media_types and part.media_types != ("application/json",):
        media_types = [f"`{media_type}`" for media_type in part.media_types]
        said = [", ".join([*media_types, *(said if "lines of " in part.kind else [])])]
    return f"{title}: " + ". ".join(said + ([part.about] if part.about else []))


def example(shown: Shown) -> str:
    """Give a shell line and what came back."""
    parts = [shown.about, f"```text\n{shown.line}\n```"]
    if shown.answer:
        parts.append(f"```{'json' if is_json(shown.answer) else 'text'}\n{shown.answer}\n```")
    return "\n\n".join(part for part in parts if part)


def is_json(text: str) -> bool:
    """Tell whether a text is one JSON value."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def type_section(one: Type) -> str:
    """Give what one type has to say."""
    parts = [f"### {one.name}", one.about, kind(one.kind)]
    if one.fields:
        parts.append(rows_table("field", one.fields))
    if one.examples:
        parts.append("```json\n" + "\n".join(one.examples) + "\n```")
    return "\n\n".join(part for part in parts if part)


def rows_table(title: str, rows: Iterable[Row]) -> str:
    """Give parameters or fields as a table."""
    return table(
        (title, "type", ""),
        [
            (
                f"`{row.name}`" + (f" ({row.where})" if row.where else ""),
                kind(row.kind) + (f", {row.note}" if row.note else ""),
                row.about,
            )
            for row in rows
        ],
    )


def table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Give a table."""
    lines = [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines)


def kind(pieces: Kind) -> str:
    """Give a type, with links to those that have an entry."""
    return "".join(f"[{piece}](#{piece.lower()})" if isinstance(piece, TypeName) else piece for piece in pieces)


if __name__ == "__main__":
    main()
