"""`load_function`: from MODULE:FUNCTION to the function, also where the module lies in the current folder."""

from __future__ import annotations

import difflib
import importlib
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teamtask.ledger.errors import TeamtaskError

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE = "For example mymodule:is_prime, for the function is_prime in mymodule.py."


class NoFunction(TeamtaskError):
    """There is no such function."""

    code = "no_function"


def load_function(text: str) -> Callable[[Any], Any]:
    """Import the module and give the function. Raises NoFunction, whatever is wrong with either."""
    module_name, colon, name = text.partition(":")
    if not colon or not module_name or not name:
        raise NoFunction(f"{text!r:.200} is not MODULE:FUNCTION.", field="python", hint=_hint_for(text))
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise NoFunction(f"{module_name!r:.200} is no name of a module.", field="python", hint=_hint_for(text))
    found = _module(module_name)
    for at, part in enumerate(parts := name.split(".")):
        try:
            found = getattr(found, part)
        except AttributeError:
            where = ".".join((module_name, *parts[:at]))
            raise NoFunction(
                f"There is no {part!r:.200} in {where}.", field="python", hint=_near(part, found)
            ) from None
    if not callable(found):
        raise NoFunction(f"{text} is of type {type(found).__name__}, which cannot be called.", field="python")
    return found  # type: ignore[no-any-return]  # whatever can be called


def _module(name: str) -> Any:  # noqa: ANN401 - a module has any attribute
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name == missing or name.startswith(missing + "."):
            raise NoFunction(f"There is no module {missing}.", field="python", hint=_where(missing, here)) from None
        raise NoFunction(
            f"{name} cannot be imported: it needs the module {missing}, which is not installed.",
            field="python",
            hint="Install it in the environment that teamtask runs in.",
        ) from error
    except (Exception, SystemExit) as error:  # the module's own code
        raise NoFunction(
            f"{name} cannot be imported: {type(error).__name__}: {error}{_line(error)}",
            field="python",
            hint=f"`{Path(sys.executable).name} -c 'import {name}'` shows all of it.",
        ) from error


def _line(error: BaseException) -> str:
    """Say where in the module it went wrong."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
    last = frames[-1] if frames else None
    if isinstance(error, SyntaxError) or last is None:
        return ""  # its text says where
    return f" ({Path(last.filename).name}, line {last.lineno})"


def _where(module: str, here: str) -> str:
    if Path(here, f"{module}.py").exists() or Path(here, module).is_dir():
        return "There is one in the current folder, yet it was not found: is it readable?"
    near = difflib.get_close_matches(module, [path.stem for path in Path(here).glob("*.py")])
    return f"Did you mean {near[0]}?" if near else "It is looked for in the current folder and where Python looks."


def _near(name: str, module: object) -> str:
    near = difflib.get_close_matches(name, dir(module), 1)
    return f"Did you mean {near[0]}?" if near else EXAMPLE


def _hint_for(text: str) -> str:
    file, _, name = text.partition(":")
    if file.endswith(".py") and "/" not in file:
        return f"Leave .py away: {file[:-3]}:{name or 'FUNCTION'}"
    return EXAMPLE
