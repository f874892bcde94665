"""`decoded`: JSON that the API server sends, whatever its users have put into it."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from teamtask.wire.limits import RESULT_DEPTH_MAX

DEPTH_MAX: Final = RESULT_DEPTH_MAX  # of values that are looked at; the API server takes 10,000
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]')


def decoded(text: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Read JSON; where it is nested too deeply for that, what lies deeper than DEPTH_MAX is null. Raises ValueError.

    One object that cannot be read must not keep the others from being read.
    """
    try:
        return json.loads(text)
    except RecursionError:
        return json.loads(_shallow(text))


def is_deep(value: object) -> bool:
    """Tell whether a value is nested more deeply than DEPTH_MAX."""
    level = [value]
    for _ in range(DEPTH_MAX):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return any(isinstance(one, (dict, list)) for one in level)


def _shallow(text: bytes) -> bytes:
    depth, kept, parts = 0, 0, []
    for token in _TOKEN.finditer(text):
        if token[0] in b"[{":
            depth += 1
            if depth == DEPTH_MAX + 1:
                parts += [text[kept : token.start()], b"null"]
        elif token[0] in b"]}":
            if depth == DEPTH_MAX + 1:
                kept = token.end()
            depth -= 1
    return b"".join([*parts, text[kept:]])
