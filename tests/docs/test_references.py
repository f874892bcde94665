"""The pages that scripts write are what the scripts would write now."""

from __future__ import annotations

import make_api_examples
import make_api_reference
import make_cli_reference
import make_kubernetes_reference
import make_limits_reference
import make_python_reference
import make_state_diagrams


def test_the_examples_of_the_api_are_what_a_server_answers() -> None:
    told = make_api_examples.FILE.read_text("utf-8")
    assert told == make_api_examples.text(), "type: .venv/bin/python docs/make_api_examples.py"


def test_the_api_reference_says_what_the_document_says() -> None:
    page = make_api_reference.PAGE.read_text("utf-8")
    assert page == make_api_reference.page(), "type: .venv/bin/python docs/make_api_reference.py"


def test_the_cli_reference_says_what_help_says() -> None:
    page = make_cli_reference.PAGE.read_text("utf-8")
    assert page == make_cli_reference.page(), "type: .venv/bin/python docs/make_cli_reference.py"


def test_the_fields_of_kubernetes_objects_are_those_of_the_definitions() -> None:
    page = make_kubernetes_reference.PAGE.read_text("utf-8")
    assert page == make_kubernetes_reference.page(), "type: .venv/bin/python docs/make_kubernetes_reference.py"


def test_the_limits_are_those_of_the_source() -> None:
    page = make_limits_reference.PAGE.read_text("utf-8")
    assert page == make_limits_reference.page(), "type: .venv/bin/python docs/make_limits_reference.py"


def test_the_python_reference_says_what_the_docstrings_say() -> None:
    page = make_python_reference.PAGE.read_text("utf-8")
    assert page == make_python_reference.page(), "type: .venv/bin/python docs/make_python_reference.py"


def test_the_pictures_of_states_are_drawn_from_the_tables() -> None:
    for path, text in make_state_diagrams.files().items():
        assert path.read_text("utf-8") == text, "type: .venv/bin/python docs/make_state_diagrams.py"
