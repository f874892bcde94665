"""--share takes an address or stands alone; the line for workers says what the run does, and no more."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.cli.run import run
from teamtask.cli.run_sharing import worker_line
from teamtask.local.run_request import RunRequest
from teamtask.local.share_access import Shared
from teamtask.service.definition import LocalRun
from teamtask.settings import Bind

if TYPE_CHECKING:
    from collections.abc import Sequence

EVERYWHERE = Bind("0.0.0.0", 0)  # noqa: S104 - what the flag alone asks for
SHARED = Shared("hosts", "http://10.0.0.1:80", "tt_secret", is_loopback=False)
WORK = ["teamtask", "work", "hosts", "--url", "http://10.0.0.1:80", "--token", "tt_secret"]


def parsed(*words: str) -> dict[str, Any]:
    return run.make_context("run", [*words, "--", "true", "--share"]).params


@pytest.mark.parametrize(
    ("words", "share", "items"),
    [
        (["--share", "hosts.txt"], EVERYWHERE, "hosts.txt"),
        (["hosts.txt", "--share"], EVERYWHERE, "hosts.txt"),
        (["--share", "-j2", "-"], EVERYWHERE, "-"),
        (["--share", "127.0.0.1:9000", "hosts.txt"], Bind("127.0.0.1", 9000), "hosts.txt"),
        (["--share=[::1]:0", "hosts.txt"], Bind("::1", 0), "hosts.txt"),
        (["--share", ":80", "hosts.txt"], Bind("0.0.0.0", 80), "hosts.txt"),  # noqa: S104 - as above
        (["--share", "--share", "hosts.txt"], EVERYWHERE, "hosts.txt"),
        (["hosts.txt"], None, "hosts.txt"),
        ([], None, None),
        (["--share"], EVERYWHERE, None),
    ],
)
def test_the_word_behind_share_is_its_address_only_where_it_looks_like_one(
    words: Sequence[str], share: Bind | None, items: str | None
) -> None:
    params = parsed(*words)
    assert (params["share"], params["items"]) == (share, items)


def line_of(request: RunRequest, retries: int = 0, timeout: float | None = None) -> str:
    return worker_line(SHARED, LocalRun("/", request.identity), {"retries": retries, "timeout": timeout})


@given(st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), min_size=1))
def test_the_command_of_the_line_is_that_of_the_run(command: list[str]) -> None:
    assert shlex.split(line_of(RunRequest("/", command=tuple(command)))) == [*WORK, "--", *command]


def test_the_line_has_the_flags_that_change_what_is_done_to_an_item() -> None:
    def flags(request: RunRequest, **options: Any) -> list[str]:
        return shlex.split(line_of(request, **options))[len(WORK) :]

    assert flags(RunRequest("/", python="module:function")) == ["--python", "module:function"]
    assert flags(RunRequest("/", command=("a | b",), shell=True)) == ["--shell", "--", "a | b"]  # noqa: S604 - none is called
    per_block = RunRequest("/", command=("a",), per_block=True, separator="\0")
    assert flags(per_block, retries=3, timeout=5.0) == [
        "-0",
        "--per-block",
        "--retries",
        "3",
        "--timeout",
        "5",
        "--",
        "a",
    ]
    assert flags(RunRequest("/", command=("a",)), timeout=0.25) == ["--timeout", "0.25", "--", "a"]
