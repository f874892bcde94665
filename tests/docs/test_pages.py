"""Every command in README, tutorial and how-tos does what the page says, and everything they name is there."""

from __future__ import annotations

import io
import re
import shlex
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from run_page import Command, NotRun, read_page, run_page

from teamtask.cli.main import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
AT_ONCE = 4  # pages mostly wait for `sleep`


def pages() -> list[Path]:
    """README and all pages that people write."""
    found = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    return sorted(page for page in found if "_build" not in page.parts)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


WITH_COMMANDS = [
    page
    for page in pages()
    if "examples" not in page.parts and any(isinstance(step, Command) for step in read_page(page.read_text("utf-8")))
]


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> Iterator[dict[Path, Future[str]]]:
    """What comes of running each page that is asked for; several at once."""
    asked = {item.callspec.params.get("page") for item in request.session.items if hasattr(item, "callspec")}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {page: pool.submit(printed, page) for page in WITH_COMMANDS if page in asked}


def printed(page: Path) -> str:
    """Run a page; give what it printed."""
    out = io.StringIO()
    run_page(page, out)
    return out.getvalue()


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name)
def test_the_commands_of_a_page_do_what_it_says(page: Path, outcomes: dict[Path, Future[str]]) -> None:
    print(outcomes[page].result())


def test_the_pages_that_newcomers_read_have_commands() -> None:
    read = {name(page) for page in WITH_COMMANDS}
    howtos = {name(page) for page in (ROOT / "docs" / "howto").glob("*.md")} - {"docs/howto/index.md"}
    assert {"README.md", "docs/tutorial/index.md", "docs/tutorial/server.md"} | howtos <= read


def test_a_block_that_is_not_run_says_why() -> None:
    reasons = [
        step.reason for page in pages() for step in read_page(page.read_text("utf-8")) if isinstance(step, NotRun)
    ]
    print(*reasons, sep="\n")
    assert all(len(reason.split()) > 2 for reason in reasons)


def inline_commands() -> list[tuple[str, str]]:
    """(page, command) for every `teamtask ...` within a sentence or a table."""
    found = []
    for page in pages():
        text = re.sub(r"^( *)```.*?^\1```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        for span in re.findall(r"`([^`\n]+)`", text):
            command = span.replace("\\|", "|").rpartition("| teamtask ")
            if command[1] or span.startswith("teamtask "):
                found.append((name(page), ("teamtask " + command[2]) if command[1] else span))
    return list(dict.fromkeys(found))


@pytest.mark.parametrize(("page", "command"), inline_commands())
def test_a_command_within_a_sentence_has_flags_that_exist(page: str, command: str) -> None:
    words = [word for word in shlex.split(command) if word != "..."][1:]
    if words[:1] in (["--version"], ["--help"], ["COMMAND"]):
        return
    context = click.Context(cli, info_name="teamtask")
    found = cli.get_command(context, words[0])
    assert found is not None, f"{page} names a command that there is not: {command}"
    if len(words) > 1:
        found.make_context(words[0], words[1:], parent=context)


@pytest.mark.parametrize("page", pages(), ids=name)
def test_a_link_to_a_file_of_ours_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    targets = [link.partition("#")[0] for link in links if "://" not in link]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []
