"""Writes reference/cli.md from the commands themselves, so that it says what `--help` says.

    python docs/make_cli_reference.py

A test fails when the page is not what this script would write.
"""

from __future__ import annotations

import re
from pathlib import Path

import click

from teamtask.cli.main import cli

PAGE = Path(__file__).parent / "reference" / "cli.md"
BEGINNING = """<!-- written by docs/make_cli_reference.py; do not edit -->

# Command line

`teamtask --help` lists the commands, `teamtask COMMAND --help` says what stands here. Data goes to stdout; progress and
messages go to stderr. [Exit codes](exit-codes.md) and [environment variables](environment.md) have pages of their own.
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), "utf-8")


def page() -> str:
    """Give the whole page."""
    context = click.Context(cli, info_name="teamtask", **cli.context_settings)
    parts = [BEGINNING]
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None, "a group knows the commands that it lists"
        parts.append(section(command, click.Context(command, context, info_name=name)))
    return "\n".join(parts)


def section(command: click.Command, context: click.Context) -> str:
    """Give what one command has to say."""
    usage = " ".join(context.get_usage().removeprefix("Usage: ").split())
    parts = [f"## {context.command_path}", f"```text\n{usage}\n```"]
    parts += [paragraph(text) for text in re.split(r"\n\s*\n", (command.help or "").strip())]
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    rows = [record for option in options if (record := option.get_help_record(context))]
    if rows:
        lines = [f"| `{cell(names)}` | {cell(words)} |" for names, words in rows]
        parts.append("\n".join(["| option | |", "| --- | --- |", *lines]))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None, "a group knows the commands that it lists"
            parts.append(section(child, click.Context(child, context, info_name=name)))
    return "\n\n".join(parts) + "\n"


def paragraph(text: str) -> str:
    """Give a paragraph of help as Markdown; what click is not to wrap, after a backspace, stays as it is."""
    lines = [line.strip() for line in text.splitlines()]
    if lines[0] != "\b":
        return " ".join(lines)
    title, *rest = lines[1:]
    return f"{title}\n\n```text\n" + "\n".join(rest) + "\n```"


def cell(text: str) -> str:
    """Give text for a cell of a table."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


if __name__ == "__main__":
    main()
