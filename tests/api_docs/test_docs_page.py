"""The page of the API loads nothing, runs nothing, links to what is there, and says all that the document says."""

from __future__ import annotations

import hashlib
import html
import json
import re
from base64 import b64encode
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from teamtask.api.docs_page import page_bytes
from teamtask.api.openapi import document
from teamtask.api.openapi_calls import calls, errors, types

if TYPE_CHECKING:
    from serving import Http, Served

PAGE = page_bytes().decode()
WITHOUT_END = {"meta", "wbr", "br"}


class Reader(HTMLParser):
    """What stands in a page; a tag that is not closed where it should be is an error."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(PAGE)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag not in WITHOUT_END:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()


@pytest.fixture(scope="module")
def read() -> Reader:
    return Reader()


@pytest.fixture(scope="module")
def stranger(served: Served) -> Http:
    return served.client(None)


def test_every_tag_is_closed_and_no_id_stands_twice(read: Reader) -> None:
    assert read.open == []
    assert len(read.ids) == len(set(read.ids))


def test_every_link_leads_somewhere_on_the_page_or_to_the_document(read: Reader) -> None:
    assert set(read.links) - {f"#{name}" for name in read.ids} == {"v1/openapi.json"}
    assert set(read.ids) == {link.removeprefix("#") for link in read.links if link.startswith("#")}, (
        "all can be reached"
    )


def test_nothing_is_loaded_and_nothing_runs(read: Reader) -> None:
    assert read.tags.isdisjoint({"script", "link", "img", "iframe", "object", "embed", "base", "form", "svg", "video"})
    assert not {name for name in read.attributes if name.startswith("on")} | (
        read.attributes & {"src", "srcset", "style"}
    )
    assert not re.search(r"@import|url\(|expression\(", PAGE)
    assert not re.search(r"\b\w+://", PAGE), "no address of anybody else"


def test_everybody_gets_the_page_with_headers_that_allow_it_nothing_but_its_style(stranger: Http) -> None:
    answer = stranger.get("/docs")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.body.decode() == PAGE
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    style = re.search("<style>(.*?)</style>", PAGE, re.DOTALL)
    assert style is not None
    digest = b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_everybody_gets_the_document(stranger: Http) -> None:
    answer = stranger.get("/v1/openapi.json")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert json.loads(answer.body) == document()


def test_a_head_of_the_page_has_no_body_and_nobody_can_change_it(stranger: Http, admin: Http) -> None:
    answer = stranger.call("HEAD", "/docs")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) == len(page_bytes())
    for client, method in ((stranger, "POST"), (stranger, "TRACE"), (admin, "DELETE")):
        answer = client.call(method, "/docs")
        assert (answer.status, answer.headers["allow"]) == (405, "GET")


def test_every_call_stands_on_the_page_with_its_right_its_parameters_and_its_examples() -> None:
    for call in calls():
        section = re.search(f'<section id="{call.id}">(.*?)</section>', PAGE, re.DOTALL)
        assert section is not None, call.id
        text = html.unescape(re.sub("<[^>]*>", "", section[1]))
        assert f"{call.method} {call.path}" in text
        assert call.summary.replace("`", "") in text
        assert f"Needs {call.needs}." in text
        for row in call.parameters:
            assert row.name in text
        for _, code in call.errors:
            assert code in text
        for example in call.examples:
            assert example.line in text
            assert example.answer in text
    assert sum(len(call.examples) for call in calls()) == PAGE.count("<pre>curl") + PAGE.count("<pre>printf")


def test_every_type_and_every_error_stands_on_the_page(read: Reader) -> None:
    assert {one.name for one in types()} <= set(read.ids)
    for one in types():
        section = re.search(f'<section id="{one.name}">(.*?)</section>', PAGE, re.DOTALL)
        assert section is not None
        assert all(f"<code>{row.name}</code>" in section[1] for row in one.fields)
    assert all(f"<code>{code}</code></td><td>{status}</td>" in PAGE for code, status, _ in errors())


def test_what_is_not_html_in_the_document_is_not_html_on_the_page() -> None:
    lines = [example.line for call in calls() for example in call.examples]
    assert any('"' in line for line in lines)
    assert "&quot;Authorization" in PAGE
    assert '"Authorization' not in PAGE
