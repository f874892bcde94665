"""Every example of the document is true: its shell line makes the call, and a server answers it so."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any

import make_api_examples
import pytest
from json_schema import mismatches

from teamtask.api.openapi import document
from teamtask.api.openapi_examples import Example, examples

OPERATIONS: dict[str, dict[str, Any]] = {
    operation["operationId"]: operation for item in document()["paths"].values() for operation in item.values()
}
WITHOUT_EXAMPLE = {"get_openapi_json", "get_docs"}  # the examples stand in their answers
EXAMPLES = [pytest.param(example, id=f"{example.call}-{example.name}") for example in examples()]


def test_every_call_has_an_example_of_its_body_and_of_its_answer() -> None:
    assert {example.call for example in examples()} == set(OPERATIONS) - WITHOUT_EXAMPLE
    for name in set(OPERATIONS) - WITHOUT_EXAMPLE:
        operation = OPERATIONS[name]
        assert operation["x-codeSamples"]
        sides = [operation["requestBody"]] if "requestBody" in operation else []
        sides += [response for status, response in operation["responses"].items() if status in ("200", "201")]
        for side in sides:
            assert any(content.get("examples") for content in side["content"].values()), name


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_what_its_schemas_say(example: Example) -> None:
    operation = OPERATIONS[example.call]
    if example.body is not None:
        content = operation["requestBody"]["content"][example.body_type]
        assert not list(mismatches(content["schema"], example.body))
        assert content["examples"][example.name]["value"] == example.body
    response = operation["responses"][str(example.status)]
    if example.answer is None:
        assert "content" not in response
        return
    content = response["content"][example.answer_type]
    assert not list(mismatches(content["schema"], example.answer))
    assert content["examples"][example.name]["value"] == example.answer


def test_the_lines_of_streams_are_what_the_document_says() -> None:
    checked = 0
    for example in examples():
        schema = OPERATIONS[example.call]["responses"][str(example.status)].get("content", {})
        schema = schema.get(example.answer_type, {}).get("schema", {})
        if "x-line" not in schema or example.answer_type == "text/csv":
            continue
        for line in example.answer.splitlines():
            if line.startswith(("{", "data: ")):
                assert not list(mismatches(schema["x-line"], json.loads(line.removeprefix("data: "))))
                checked += 1
    assert checked > 1


@pytest.mark.skipif(shutil.which("curl") is None, reason="it takes curl")
def test_every_shell_line_makes_its_call() -> None:
    heard = make_api_examples.Heard()
    with make_api_examples.serving() as url:
        environment = {**os.environ, "TEAMTASK_URL": url, "TEAMTASK_TOKEN": make_api_examples.ADMIN}
        for example in examples():
            (line,) = (
                sample["source"]
                for sample in OPERATIONS[example.call]["x-codeSamples"]
                if sample["label"] == example.name
            )
            said = printed(heard.real_text(line), environment, is_endless="-N" in line)
            media_type = "" if example.answer is None else example.answer_type
            assert heard.shown(media_type, said) == example.answer, line


def printed(line: str, environment: dict[str, str], *, is_endless: bool) -> bytes:
    """What a shell line writes; of one that would never end, the first event."""
    with subprocess.Popen(["sh", "-c", f"set -e; {line}"], env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:  # fmt: skip
        assert process.stdout is not None
        if not is_endless:
            return process.communicate(timeout=60)[0]
        said = b""
        while not said.endswith(b"\n\n"):
            some = process.stdout.readline()
            assert some, "the stream has ended"
            said += some
        process.kill()
        return said
