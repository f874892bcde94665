"""`examples`: calls and their answers, as `docs/make_api_examples.py` heard them from a server; a test repeats them."""

from __future__ import annotations

import json
import shlex
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

FILE: Final = Path(__file__).with_name("openapi_examples.json")
COLUMNS: Final = 96  # of JSON and shell that people read
_JSON: Final = "application/json"


class Example(Struct, frozen=True, omit_defaults=True):
    """One call: `call` is its operationId, `name` tells it from others of that; bodies that are no JSON are text."""

    call: str
    name: str
    about: str
    status: int
    path: dict[str, str] = {}
    query: dict[str, str] = {}
    body: Any = None
    body_type: str = _JSON
    answer: Any = None
    answer_type: str = _JSON


@cache
def examples() -> list[Example]:
    """Give all examples, in the order in which they were called."""
    return msgspec.json.decode(FILE.read_bytes(), type=list[Example])


def examples_of(call: str, side: str) -> dict[str, dict[str, Any]]:
    """Give the examples of a call's `body` or `answer` as OpenAPI has them, by media type."""
    found: dict[str, dict[str, Any]] = {}
    for one in examples():
        value = getattr(one, side)
        if one.call == call and value is not None:
            by_name = found.setdefault(getattr(one, f"{side}_type"), {})
            by_name[one.name] = {"summary": one.about, "value": value}
    return found


def samples_of(call: str, method: str, path: str, *, public: bool = False) -> dict[str, Any]:
    """Give the shell lines that make these calls, as many tools show them; `label` is the example's name."""
    samples = [
        {"lang": "Shell", "label": one.name, "source": curl_line(method, path, one, public=public)}
        for one in examples()
        if one.call == call
    ]
    return {"x-codeSamples": samples} if samples else {}


def curl_line(method: str, path: str, example: Example, *, public: bool = False) -> str:
    """Give the line that people type, maybe broken into several."""
    words = ["curl"]
    before = ""
    if isinstance(example.body, str):
        before = f"printf {shlex.quote(example.body.replace('%', '%%').encode('unicode_escape').decode())} | "
        words += ["-T -", f'-H "Content-Type: {example.body_type}"']
    elif example.body is not None:
        words += [] if method == "POST" else [f"-X {method}"]
        words.append(f"--json {shlex.quote(packed(example.body))}")
    elif method != "GET":
        words.append(f"-X {method}")
    if example.answer_type == "text/event-stream":
        words.append("-N")
    if not public:
        words.append('-H "Authorization: Bearer $TEAMTASK_TOKEN"')
    words.append(f'"$TEAMTASK_URL{filled_path(path, example)}"')
    line = before + " ".join(words)
    return (
        line
        if len(line) <= COLUMNS and "\n" not in line
        else before + " ".join(words[:2]) + " \\\n  ".join(["", *words[2:]])
    )


def filled_path(path: str, example: Example) -> str:
    """Give a path with its parts filled in, and the query."""
    filled = path.format_map({name: quote(value, safe="") for name, value in example.path.items()})
    return filled + (f"?{urlencode(example.query)}" if example.query else "")


def packed(value: Any, indent: int = 0, taken: int = 0) -> str:  # noqa: ANN401 - any JSON
    """Give JSON for people, as much on a line as it takes; `taken` columns of its first line are not its own."""
    text = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or not value or indent + taken + len(text) <= COLUMNS:
        return text
    is_object = isinstance(value, dict)
    parts = [(f"{json.dumps(name)}: ", value[name]) for name in value] if is_object else [("", part) for part in value]
    lines = ["{" if is_object else "["]
    for number, (name, part) in enumerate(parts):
        short = name + json.dumps(part, ensure_ascii=False)
        used = len(lines[-1]) + (indent + taken if len(lines) == 1 else 0)
        if number == 0:
            lines[0] += name + packed(part, indent + 1, taken + len(name))
        elif "\n" not in lines[-1] and used + len(short) + 3 <= COLUMNS:
            lines[-1] += f", {short}"
        else:
            lines[-1] += ","
            lines.append(" " * (indent + 1) + name + packed(part, indent + 1, len(name)))
    return "\n".join(lines) + ("}" if is_object else "]")
