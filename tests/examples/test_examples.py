"""Each example works as its page says, and so does the demo, with ping and without."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from run_page import run_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(page.parent.name for page in (ROOT / "examples").glob("*/README.md"))
DEMO = ROOT / "examples" / "demo" / "demo.py"


def example(name: str) -> str:
    """Run the commands of an example's page; give what they print."""
    out = io.StringIO()
    run_page(ROOT / "examples" / name / "README.md", out)
    return out.getvalue()


def demo(folder: Path, *, ping: bool) -> str:
    """Run the demo on a machine that may ping, or may not; give what it prints."""
    environment = os.environ | {"TMPDIR": str(folder)}
    if not ping:
        (folder / "bin").mkdir()
        (folder / "bin" / "ping").write_text("#!/bin/sh\necho 'ping: socktype: SOCK_RAW' >&2\nexit 2\n")
        (folder / "bin" / "ping").chmod(0o755)
        environment["PATH"] = f"{folder}/bin:{environment['PATH']}"
    done = subprocess.run(
        [sys.executable, DEMO],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def at_once(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[str]]]:
    """What each example and demo that is asked for prints; all at once, for they mostly wait."""
    work: dict[str, Callable[[], str]] = {name: partial(example, name) for name in EXAMPLES}
    for name in ("with ping", "without ping"):
        work[name] = partial(demo, tmp_path_factory.mktemp("demo"), ping=name == "with ping")
    asked = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    with ThreadPoolExecutor(len(work)) as pool:
        yield {name: pool.submit(run) for name, run in work.items() if name in asked}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_does_what_its_page_says(name: str, at_once: dict[str, Future[str]]) -> None:
    print(at_once[name].result())


@pytest.mark.parametrize("name", ["with ping", "without ping"])
def test_the_demo_kills_a_run_and_ends_with_one_block(name: str, at_once: dict[str, Future[str]]) -> None:
    printed = at_once[name].result()
    print(printed)
    assert "$ kill -9 " in printed
    assert "Lost" in printed, "the block of the killed process is shown"
    assert "Going on with hosts: " in printed
    assert "94 ok, 6 failed" in printed
    assert "hosts-0  1/1    Done    0         0      100\n" in printed
    assert re.search(r"^numbers-\d+ +0/1 +Returned +1 ", printed, re.MULTILINE), "the block of a killed worker"
    assert "numbers-0  1/1    Done    0         0      10000\n" in printed


def test_there_are_the_five_examples_that_the_readme_promises() -> None:
    assert EXAMPLES == ["curl-worker", "lost-password", "ping-hosts", "primes", "sweep"]
