"""`load_function` from MODULE:FUNCTION, and what tells one function from another."""

from __future__ import annotations

import functools
import math
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from teamtask.local.function_identity import code_of, function_name
from teamtask.local.python_function import NoFunction, load_function

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, whose modules are imported anew by each test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


def test_a_function_of_the_current_folder_or_of_any_module_is_found(here: Path) -> None:
    (here / "mine_a.py").write_text(
        "def double(n): return 2 * n\nclass Tools:\n    triple = staticmethod(lambda n: 3 * n)\n"
    )
    (here / "package_a").mkdir()
    (here / "package_a" / "inner.py").write_text("def half(n): return n / 2\n")
    assert load_function("mine_a:double")(4) == 8
    assert load_function("mine_a:Tools.triple")(4) == 12
    assert load_function("package_a.inner:half")(4) == 2
    assert load_function("math:sqrt") is math.sqrt


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("mine_b", "is not MODULE:FUNCTION", "For example"),
        (":double", "is not MODULE:FUNCTION", "For example"),
        ("mine_b.py:double", "There is no module mine_b.py", "Did you mean"),
        ("./mine_b.py:double", "is no name of a module", "For example"),
        ("mine_c:double", "There is no module mine_c", "Did you mean mine_b?"),
        ("mine_b:doubl", "There is no 'doubl' in mine_b", "Did you mean double?"),
        ("mine_b:Tools.quadruple", "There is no 'quadruple' in mine_b.Tools", "For example"),
        ("mine_b:number", "is of type int, which cannot be called", ""),
        ("wrong_b:double", "cannot be imported: ZeroDivisionError: division by zero (wrong_b.py, line 2)", "shows all"),
        ("unreadable_b:double", "cannot be imported: SyntaxError", "shows all"),
        ("needs_b:double", "it needs the module no_such_thing, which is not installed", "Install it"),
        ("leaves_b:double", "cannot be imported: SystemExit", "shows all"),
    ],
)
def test_what_is_wrong_with_a_function_is_said(here: Path, text: str, message: str, hint: str) -> None:
    (here / "mine_b.py").write_text("number = 3\ndef double(n): return 2 * n\nclass Tools: pass\n")
    (here / "wrong_b.py").write_text("import math\n1 / 0\n")
    (here / "unreadable_b.py").write_text("def double(:\n")
    (here / "needs_b.py").write_text("import no_such_thing\n")
    (here / "leaves_b.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(NoFunction) as raised:
        load_function(text)
    assert message in raised.value.message
    assert hint in (raised.value.hint or "")


# --- identity


def helper(number: int) -> int:
    return number + 1


def made(factor: Any) -> Any:
    def function(number: int) -> Any:
        return helper(number) * factor

    return function


class Called:
    def __init__(self, state: Any) -> None:
        self.state = state

    def __call__(self, number: int) -> Any:
        return number, self.state


def test_the_same_function_has_the_same_code_and_another_one_another() -> None:
    assert code_of(made(3)) == code_of(made(3))
    functions = [
        made(3), made(4), made("3"), made([3, {"a": 1}]), made(helper), made(abs), helper, lambda number: number,
        lambda number: number + 1, lambda number, one=1: number + one, lambda number, one=2: number + one,
        functools.partial(helper, 1), functools.partial(helper, 2), functools.partial(abs, 1),
        Called(1), Called(2), Called({1, 2}), Called(1).__call__, math.sqrt, abs, int, str, str.upper,
    ]  # fmt: skip
    assert len({code_of(function) for function in functions}) == len(functions)


def test_a_function_that_calls_itself_or_another_in_a_circle_has_a_code() -> None:
    def one(number: int) -> int:
        return other(number)

    def other(number: int) -> int:
        return one(number)

    loop: list[Any] = []
    loop.append(loop)
    assert code_of(one) != code_of(other) or code_of(one)
    assert code_of(made(loop)) == code_of(made(loop))


def test_the_code_is_the_same_in_every_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from teamtask.local.function_identity import code_of\n"
        "def helper(x): return x in {'a', 'b', 'c', 'd'}\n"
        "def make(k): return lambda x: (helper(x), k, ('a', 1.5, None))\n"
        "print(code_of(make({'x', 'y', 'z'})))\n"
    )
    codes = {
        subprocess.run(
            [sys.executable, script], env={"PYTHONHASHSEED": str(seed)}, capture_output=True, text=True, check=True
        ).stdout
        for seed in range(3)
    }
    assert len(codes) == 1


def test_a_function_is_named_for_people() -> None:
    assert function_name(helper).endswith("test_python_function:helper")
    assert function_name(made(1)).endswith(":made.<locals>.function")
    assert function_name(functools.partial(helper, 1)).endswith(":helper")
    assert function_name(Called(1)).endswith(":Called")
    assert function_name(abs) == "builtins:abs"
    assert function_name(Called(1).__call__).endswith(":Called.__call__")
