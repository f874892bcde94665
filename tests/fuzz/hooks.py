"""Hooks of schemathesis: calls are made of lists, leases, workers and tokens that there are, not of random names.

Run by schemathesis itself (`hooks` in its settings).
"""

from __future__ import annotations

import json
import os
import zlib
from collections import deque
from typing import Any

import schemathesis
from schemathesis.generation import GenerationMode

SAFE_INTEGER_END = 2**53
SOURCES = (
    {"kind": "range", "start": 0, "stop": 1000},
    {"kind": "range", "start": 5, "stop": str(10**30), "shuffle": "seed"},
    {"kind": "lines", "items": ["a", "b", "c"]},
    {"kind": "lines"},
    {"kind": "strings", "alphabet": "abc", "min_length": 1, "max_length": 5},
    {"kind": "permutations", "items": [1, None, {"a": 0.5}]},
    {"kind": "combinations", "items": "abcdef", "k": 3},
    {"kind": "product", "axes": [["x", [1, 2]], ["y", ["a", None]]]},
    {"kind": "mask", "alphabets": ["ab", "01"]},
)
FOLDS = ("count", "sum", {"top": 3}, {"histogram": [1, 2.5]})
# What answers have named lately, by the parameter that takes it.
known: dict[str, deque[str]] = {name: deque(maxlen=8) for name in ("list", "block", "worker")}


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Put what there is into the path, and leases into reports, in two of three calls; make lists of real items."""
    phase = getattr(case.meta, "phase", None)
    if phase is None:
        return
    parameters = case.path_parameters or {}
    if parameters.get("token") == os.environ.get(
        "FUZZED_AS"
    ):  # whoever revokes that hears nothing but 401 from then on
        parameters["token"] = "0" * 16
    if case.operation.label == "POST /v1/lists" and case.meta.generation.mode == GenerationMode.POSITIVE:
        make_possible(case.body)
    if phase.name.value == "stateful":  # there the links say what follows
        return
    if getattr(phase.data, "parameter_location", None) != "path":
        for name, value in parameters.items():
            parameters[name] = instead_of(value, name)
    reports = case.body.get("reports") if isinstance(case.body, dict) else None
    for report in reports if isinstance(reports, list) else ():
        if isinstance(report, dict) and isinstance(report.get("lease"), str):
            report["lease"] = instead_of(report["lease"], "block")


def make_possible(body: Any) -> None:
    """Have two of three new lists be ones that there can be: few random sources are."""
    choice = zlib.crc32(repr(body).encode("utf-8", "replace"))
    if not isinstance(body, dict) or not choice % 3:
        return
    body["name"] = f"fuzzed-{choice % 50}"
    body["source"] = SOURCES[choice // 3 % len(SOURCES)]
    for name in ("block", "labels", "roles", "start", "stop_after_results"):
        body.pop(name, None)
    if body.get("fold") is not None:
        body["fold"] = FOLDS[choice // 31 % len(FOLDS)]


def instead_of(value: object, name: str) -> object:
    """Give something that there is; the same for the same value, while the same things are there."""
    choice = zlib.crc32(repr(value).encode("utf-8", "replace"))
    return known[name][choice // 3 % len(known[name])] if choice % 3 and known.get(name) else value


@schemathesis.hook
def after_call(_context: Any, case: Any, response: Any) -> None:
    """Note what there is now."""
    path = case.operation.path
    try:
        answer = json.loads(response.content)
    except ValueError:
        return
    if not isinstance(answer, dict) or response.status_code >= 300:
        return
    for found in [answer, *_items(answer, "items"), *_items(answer, "leases")]:
        if isinstance(found.get("lease"), str):
            known["block"].append(found["lease"])
        if path.endswith("/blocks") and isinstance(found.get("name"), str):
            known["block"].append(found["name"])
        if path == "/v1/lists" and isinstance(found.get("name"), str):
            known["list"].append(found["name"])
        if path == "/v1/workers" and isinstance(found.get("id"), str):
            known["worker"].append(found["id"])


def _items(answer: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = answer.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Leave out what the API takes although its document does not offer it: our integers from 2^53 on as numbers."""
    if case.meta is None or case.meta.generation.mode != GenerationMode.NEGATIVE:
        return True
    return not any(abs(number) >= SAFE_INTEGER_END for number in _integers(case.body))


def _integers(value: Any) -> list[int]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for part in value for number in _integers(part)]
    return [value] if isinstance(value, int) else []
