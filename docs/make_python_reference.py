"""Writes reference/python.md from the docstrings of what `import teamtask` offers.

    python docs/make_python_reference.py

A test fails when the page is not what this script would write.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import teamtask
from teamtask import aio

PAGE = Path(__file__).parent / "reference" / "python.md"
COLUMNS = 100
GIVEN = frozenset(
    ("ApiError", "AsyncBlock", "AsyncWorklist", "Block", "ServerUnreachable", "Work", "Worklist")
)  # nobody makes one
BEGINNING = """<!-- written by docs/make_python_reference.py; do not edit -->

# Python

`import teamtask` gives what stands here; it takes a few milliseconds, since the rest is loaded when it is first used.
[Call a Python function on all CPUs](../howto/python-function.md) and [a worker in Python](../howto/python-worker.md)
show it at work.
"""
ASYNCIO = """## asyncio

`teamtask.aio` has the same for programs that are written with asyncio; it is imported by its name. What needs a
server is awaited, what is gone through is gone through with `async for`.
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), "utf-8")


def page() -> str:
    """Give the whole page."""
    named = [(name, getattr(teamtask, name)) for name in teamtask.__all__ if not name.startswith("__")]
    functions = [section(f"teamtask.{name}", value) for name, value in named if not inspect.isclass(value)]
    classes = [section(f"teamtask.{name}", value) for name, value in named if inspect.isclass(value)]
    asyncio = [
        section(f"teamtask.aio.{one.__name__}", one) for one in (aio.AsyncClient, aio.AsyncWorklist, aio.AsyncBlock)
    ]
    return (
        "\n".join([BEGINNING, "## Functions\n", *functions, "## Types\n", *classes, ASYNCIO, *asyncio]).rstrip("\n")
        + "\n"
    )


def section(name: str, value: Any) -> str:  # noqa: ANN401 - whatever the module offers
    """Give what one function or class has to say."""
    parts = [f"### {name}", f"```text\n{signature(name, value)}\n```", text(value)]
    if inspect.isclass(value):
        for member, method in inspect.getmembers(value, callable):
            if not member.startswith("_") and getattr(method, "__doc__", None) and member in vars(value):
                parts.append(f"`{signature(f'.{member}', method, columns=None)}`\n: {text(method)}")
        properties = [(member, found) for member, found in vars(value).items() if isinstance(found, property)]
        parts += [f"`.{member}`\n: {text(found)}" for member, found in properties if not member.startswith("_")]
    return "\n\n".join(parts) + "\n"


def signature(name: str, value: Any, columns: int | None = COLUMNS) -> str:  # noqa: ANN401 - as above
    """Give how it is called, as it was written; the name alone for a class that nobody calls."""
    if getattr(value, "_is_protocol", False) or name.rpartition(".")[2] in GIVEN:
        return name
    found = inspect.signature(value)
    words: list[str] = []
    kind = None
    for one in found.parameters.values():
        if one.name == "self":
            continue
        if one.kind is one.KEYWORD_ONLY and kind not in (one.KEYWORD_ONLY, one.VAR_POSITIONAL):
            words.append("*")
        if kind is one.POSITIONAL_ONLY is not one.kind:
            words.append("/")
        kind = one.kind
        stars = "*" if kind is one.VAR_POSITIONAL else "**" if kind is one.VAR_KEYWORD else ""
        default = "" if one.default is one.empty else f" = {one.default!r}"
        words.append(f"{stars}{one.name}: {annotation(one.annotation)}{default}")
    returned = "" if found.return_annotation is found.empty else f" -> {annotation(found.return_annotation)}"
    line = f"{name}({', '.join(words)}){returned}"
    return (
        line
        if columns is None or len(line) <= columns
        else f"{name}(\n    " + ",\n    ".join(words) + f",\n){returned}"
    )


def annotation(value: object) -> str:
    """Give a type as it is written, without the modules it comes from."""
    written = value if isinstance(value, str) else inspect.formatannotation(value)
    return re.sub(r"~|\b(?:typing|collections\.abc|builtins|os|teamtask(?:\.\w+)+)\.", "", written)


def text(value: Any) -> str:  # noqa: ANN401 - as above
    """Give a docstring as Markdown: indented lines are code."""
    paragraphs = inspect.cleandoc(value.__doc__ or "").split("\n\n")
    return "\n\n".join(
        "```text\n" + inspect.cleandoc(one) + "\n```" if one.startswith("    ") else " ".join(one.split())
        for one in paragraphs
    )


if __name__ == "__main__":
    main()
