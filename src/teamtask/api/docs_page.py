"""`page_bytes` and `HEADERS`: the OpenAPI document as one HTML page that loads nothing and runs nothing."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

from teamtask import __version__
from teamtask.api.openapi import document
from teamtask.api.openapi_calls import TypeName, about_errors, calls, errors, types
from teamtask.api.openapi_words import ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from teamtask.api.openapi_calls import Call, Kind, Part, Row, Type

_STYLE: Final = Path(__file__).with_name("docs_page.css").read_text("utf-8")
_STYLE_HASH: Final = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Final = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_OPEN_LINES: Final = 8  # of an answer that is shown at once


@cache
def page_bytes() -> bytes:
    """Give the page; made when it is first asked for."""
    return "\n".join(_page()).encode()


def _page() -> Iterator[str]:
    described = document()
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>Teamtask web API</title>\n<style>{_STYLE}</style>\n</head>\n<body>"
    )
    by_tag = {tag["name"]: [call for call in calls() if call.tag == tag["name"]] for tag in described["tags"]}
    contents = "\n".join(_contents(by_tag))
    yield f'<nav class="beside" aria-label="Contents">{contents}</nav>\n<main>'
    yield f"<h1>Teamtask web API <small>{escape(__version__)}</small></h1>"
    yield f'<details class="above"><summary>Contents</summary><nav aria-label="Contents">{contents}</nav></details>'
    yield _paragraphs(described["info"]["description"])
    yield '<p>The same for programs: <a href="v1/openapi.json">OpenAPI 3.1</a>.</p>'
    for tag in described["tags"]:
        yield f'<h2 id="{tag["name"]}">{tag["name"]}</h2>\n{_paragraphs(tag["description"])}'
        for call in by_tag[tag["name"]]:
            yield from _call(call)
    yield '<h2 id="Errors">Errors</h2>'
    yield _paragraphs(about_errors())
    yield _table(
        ("code", "status", "meaning"), ((_code(code), str(status), _inline(words)) for code, status, words in errors())
    )
    yield '<h2 id="Types">Types</h2>'
    for one in types():
        yield from _type(one)
    yield "</main>\n</body>\n</html>\n"


def _contents(by_tag: dict[str, list[Call]]) -> Iterator[str]:
    for tag, its_calls in by_tag.items():
        yield f'<a class="group" href="#{tag}">{tag}</a>'
        for call in its_calls:
            path = call.path.removeprefix("/v1")
            yield f'<a href="#{call.id}">{_method(call.method)} <code>{_breakable(path)}</code></a>'
    yield '<a class="group" href="#Errors">Errors</a>\n<a class="group" href="#Types">Types</a>'
    yield from (f'<a href="#{one.name}"><code>{one.name}</code></a>' for one in types())


def _call(call: Call) -> Iterator[str]:
    yield f'<section id="{call.id}">'
    yield f'<h3><a href="#{call.id}">{_method(call.method)} <code>{_breakable(call.path)}</code></a></h3>'
    yield f'<p class="summary">{_inline(call.summary)}.</p>'
    yield _paragraphs(call.about)
    yield f'<p class="needs">Needs {_inline(call.needs)}.</p>'
    if call.parameters:
        yield _rows("parameter", call.parameters)
    yield '<dl class="parts">'
    if call.body is not None:
        yield _part("Body", call.body)
    for part in call.answers:
        yield _part(f"Answer {part.status}", part)
    yield "</dl>"
    if call.errors:
        yield _errors(call.errors)
    for example in call.examples:
        yield (
            f"<p>{_inline(example.about)}</p>\n<pre>{escape(example.line)}</pre>"
            if example.about
            else f"<pre>{escape(example.line)}</pre>"
        )
        if example.answer:
            answer = f'<pre class="answer">{escape(example.answer)}</pre>'
            is_long = example.answer.count("\n") >= _OPEN_LINES
            yield f"<details><summary>The answer</summary>{answer}</details>" if is_long else answer
    yield "</section>"


def _errors(found: list[tuple[int, str]]) -> str:
    statuses = ", ".join(dict.fromkeys(str(status) for status, _ in found))
    rows = ((str(status), _code(code), _inline(ERRORS[code])) for status, code in found)
    return (
        f'<details class="errors"><summary>Errors: {statuses}</summary>{_table(("status", "code", ""), rows)}</details>'
    )


def _part(title: str, part: Part) -> str:
    said = [_kind(part.kind)] if part.kind else []
    if part.media_types and part.media_types != ("application/json",):
        said = [", ".join([*map(_code, part.media_types), *(said if "lines of " in part.kind else [])])]
    said += [_inline(part.about)] if part.about else []
    return f"<dt>{title}</dt><dd>{'. '.join(said)}</dd>"


def _type(one: Type) -> Iterator[str]:
    yield f'<section id="{one.name}">\n<h3><a href="#{one.name}"><code>{one.name}</code></a></h3>'
    yield _paragraphs(one.about)
    if one.kind:
        yield f"<p>{_kind(one.kind)}</p>"
    if one.fields:
        yield _rows("field", one.fields)
    if one.examples:
        yield f"<pre>{escape(chr(10).join(one.examples))}</pre>"
    yield "</section>"


def _rows(title: str, rows: Iterable[Row]) -> str:
    cells = (
        (
            _code(row.name) + (f" <small>{row.where}</small>" if row.where else ""),
            _kind(row.kind) + (f" <small>{row.note}</small>" if row.note else ""),
            _inline(row.about),
        )
        for row in rows
    )
    return _table((title, "type", ""), cells)


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{title}</th>" for title in titles)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"


def _kind(kind: Kind) -> str:
    return "".join(
        f'<a href="#{piece}">{piece}</a>' if isinstance(piece, TypeName) else escape(piece) for piece in kind
    )


def _method(method: str) -> str:
    return f'<span class="method {method.lower()}">{method}</span>'


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _breakable(path: str) -> str:
    """Give a path that may be broken before each slash."""
    return escape(path).replace("/", "<wbr>/")


def _paragraphs(text: str) -> str:
    return "\n".join(f"<p>{_inline(part)}</p>" for part in text.split("\n\n") if part)


def _inline(text: str) -> str:
    """Give text with `code` in it."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text, quote=False))
