"""A real server keeps to its OpenAPI document, whatever it is asked, with a token and without; all checks.

The short form of `make fuzz`. That the server stops in good order with a sound store is seen by `Served`.
"""

from __future__ import annotations

from fuzz_api import TOKEN, Served


def test_whatever_is_asked_is_answered_as_the_document_says() -> None:
    with Served() as server:
        came = server.fuzz("--max-examples", "4", token=TOKEN)
    assert came.held, came.said
    assert came.cases > 1_000


def test_without_a_token_nothing_is_answered_but_what_is_public() -> None:
    with Served() as server:
        came = server.fuzz("--max-examples", "2", "--phases", "examples,fuzzing", token=None)
    assert came.held, came.said
    assert came.cases > 50
