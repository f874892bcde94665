"""`function_name` and `code_of`: what tells a function apart from every other, and from itself before it was edited."""

from __future__ import annotations

import functools
import hashlib
import types
from contextlib import suppress
from typing import TYPE_CHECKING

from teamtask.ledger.errors import TeamtaskError
from teamtask.sources.object_source import Objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PLAIN = (int, float, complex, str, bytes, bool, type(None), type(...))
_DEPTH_MAX = 20


def function_name(function: object) -> str:
    """Give MODULE:NAME, for people and for the name of a run."""
    function = _inner(function)
    named = function if hasattr(function, "__qualname__") else type(function)
    name = getattr(named, "__qualname__", type(function).__name__)
    return f"{getattr(named, '__module__', None) or 'builtins'}:{name}"


def code_of(function: object) -> str:
    """Give a hash of what a function does: its code, defaults and closure, and the functions of its module it names.

    Names of variables, comments and line numbers do not count, nor do the values of global variables, which may change
    from run to run; another version of Python may hash the same function differently.
    """
    whole = hashlib.blake2b(digest_size=8)
    for part in _Parts().of(function):
        whole.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return whole.hexdigest()


def _inner(function: object) -> object:
    while isinstance(function, functools.partial):
        function = function.func
    return function


class _Parts:
    """Tells what a value is made of, as texts."""

    def __init__(self) -> None:
        self._functions: set[int] = set()  # that have been told of

    def of(self, value: object, within: frozenset[int] = frozenset()) -> Iterator[str]:
        """Go through the parts of a value that lies within those containers."""
        # Whether equal constants are one object differs from run to run, so nothing else is told by its identity.
        if isinstance(value, _PLAIN):
            yield repr(value)
        elif id(value) in within or len(within) > _DEPTH_MAX:
            yield "again"
        elif isinstance(value, types.FunctionType):
            yield from self._function(value, within)
        elif isinstance(value, types.CodeType):
            yield from self._code(value, within)
        elif isinstance(value, functools.partial):
            yield "partial"
            yield from self._all((value.func, value.args, value.keywords), within)
        elif isinstance(value, types.MethodType):
            yield from self._all((value.__func__, value.__self__), within)
        elif isinstance(value, (list, tuple)):
            yield f"{type(value).__name__} {len(value)}"
            yield from self._all(value, within | {id(value)})
        elif isinstance(value, (set, frozenset)):
            yield from sorted("\1".join(self.of(part, within)) for part in value)
        elif isinstance(value, dict):
            within |= {id(value)}
            yield from sorted("\1".join(self._all(pair, within)) for pair in value.items())
        else:
            yield from self._object(value, within)

    def _all(self, values: Iterable[object], within: frozenset[int]) -> Iterator[str]:
        for value in values:
            yield from self.of(value, within)

    def _function(self, function: types.FunctionType, within: frozenset[int]) -> Iterator[str]:
        if id(function) in self._functions:
            yield "again"
            return
        self._functions.add(id(function))
        yield from self._code(function.__code__, within)
        yield from self._all((function.__defaults__, function.__kwdefaults__), within)
        for cell in function.__closure__ or ():
            try:
                yield from self.of(cell.cell_contents, within)
            except ValueError:
                yield "empty"
        for name in _names(function.__code__):
            other = function.__globals__.get(name)
            if isinstance(other, types.FunctionType) and other.__module__ == function.__module__:
                yield name
                yield from self.of(other, within)
        yield from self.of(getattr(function, "__wrapped__", None), within)  # of a decorator that remembers

    def _code(self, code: types.CodeType, within: frozenset[int]) -> Iterator[str]:
        yield code.co_code.hex()
        yield repr((code.co_names, code.co_argcount, code.co_kwonlyargcount, code.co_flags))
        yield from self._all(code.co_consts, within)

    def _object(self, value: object, within: frozenset[int]) -> Iterator[str]:
        kind = value if isinstance(value, type) else type(value)
        yield f"{kind.__module__}.{kind.__qualname__}"
        call = kind.__dict__.get("__call__")
        if isinstance(call, types.FunctionType):
            yield from self.of(call, within)
        if isinstance(value, (type, types.ModuleType, types.BuiltinFunctionType)):
            yield getattr(value, "__qualname__", value.__name__)
            return
        with suppress(TeamtaskError):  # what cannot be written is told apart by its type alone
            yield Objects([value]).fingerprint


def _names(code: types.CodeType) -> Iterator[str]:
    """Give the names that a function and those inside it use."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
