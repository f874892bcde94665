"""Whether a loop is being left by an exception or on purpose, in all the ways in which Python leaves loops."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import pytest

from teamtask.client.leaving import failure_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(sys.implementation.name != "cpython", reason="elsewhere no loop is seen to fail")


class Seen:
    """Iterates, and notes how its loop is left."""

    def __init__(self) -> None:
        self.failure: str | None = "nothing was noted"

    def __iter__(self) -> Iterator[int]:
        try:
            yield from range(3)
        except GeneratorExit:
            self.failure = failure_in(sys._getframe(1))
            raise


def by_break(seen: Seen) -> None:
    for _ in seen:
        break


def by_return(seen: Seen) -> int:
    for number in seen:
        return number
    return 9


def by_break_out_of_a_handler(seen: Seen) -> None:
    caught = None
    for _ in seen:
        try:
            int("x")
        except ValueError as error:
            caught = error
            break
    assert caught is not None


def by_break_after_an_error_that_is_kept(seen: Seen) -> None:
    caught = []
    for number in seen:
        try:
            int("x")
        except ValueError as error:
            caught.append(error)
        if number:
            break


def by_break_through_finally(seen: Seen) -> None:
    for _ in seen:
        try:
            break
        finally:
            int("1")


def by_the_end_of_a_generator_with_the_loop_in_it(seen: Seen) -> None:
    def inside() -> Iterator[int]:
        yield from ()
        for number in seen:
            yield number + 1

    for _ in inside():
        break


def by_closing_it(seen: Seen) -> None:
    iterator = iter(seen)
    next(iterator)
    iterator.close()  # type: ignore[attr-defined] # it is a generator


def by_forgetting_it(seen: Seen) -> None:
    iterator = iter(seen)
    next(iterator)
    del iterator


@pytest.mark.parametrize(
    "leave",
    [
        by_break, by_return, by_break_out_of_a_handler, by_break_after_an_error_that_is_kept, by_break_through_finally,
        by_the_end_of_a_generator_with_the_loop_in_it, by_closing_it, by_forgetting_it,
    ],
)  # fmt: skip
def test_a_loop_that_is_left_on_purpose_has_not_failed(leave: Callable[[Seen], object]) -> None:
    seen = Seen()
    leave(seen)
    assert seen.failure is None


def by_raise(seen: Seen) -> None:
    for _ in seen:
        raise ValueError("x")


def by_an_error_in_a_call(seen: Seen) -> None:
    for _ in seen:
        int("x")


def by_an_error_in_an_inner_loop(seen: Seen) -> None:
    for _ in seen:
        for text in ["1", "x"]:
            int(text)


def by_an_error_in_with(seen: Seen) -> None:
    for _ in seen:
        with contextlib.nullcontext():
            int("x")


def by_an_error_through_finally(seen: Seen) -> None:
    for _ in seen:
        try:
            int("x")
        finally:
            int("1")


def by_raise_again(seen: Seen) -> None:
    for _ in seen:
        try:
            int("x")
        except ValueError:  # noqa: TRY203 - that is what is tested
            raise


def by_raise_of_another(seen: Seen) -> None:
    for _ in seen:
        try:
            {}["x"]  # type: ignore[index]
        except KeyError as error:
            raise ValueError from error


def by_an_error_that_is_caught_around_it(seen: Seen) -> None:
    try:
        by_an_error_in_a_call(seen)
        for _ in Seen():
            int("x")
    except ValueError:  # noqa: TRY203 - that is what is tested
        raise


def by_an_error_after_one_that_was_caught(seen: Seen) -> None:
    for number in seen:
        try:
            int("x")
        except ValueError:
            if number:
                raise


def by_an_error_in_a_condition(seen: Seen) -> None:
    class Odd:
        def __bool__(self) -> bool:
            raise ValueError

    for _ in seen:
        if Odd():
            break


@pytest.mark.parametrize(
    "leave",
    [
        by_raise, by_an_error_in_a_call, by_an_error_in_an_inner_loop, by_an_error_in_with, by_an_error_through_finally,
        by_raise_again, by_raise_of_another, by_an_error_that_is_caught_around_it,
        by_an_error_after_one_that_was_caught, by_an_error_in_a_condition,
    ],
)  # fmt: skip
def test_a_loop_that_an_exception_leaves_has_failed(leave: Callable[[Seen], object]) -> None:
    seen = Seen()
    with pytest.raises(ValueError):  # noqa: PT011 - whichever it is
        leave(seen)
    assert seen.failure is not None
    assert "ValueError" in seen.failure or leave.__name__ in seen.failure or "by_an_error_in_a_call" in seen.failure
