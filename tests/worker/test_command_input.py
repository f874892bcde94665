"""Items reach a command's stdin as it reads them: all of them, in order, never more than needed, never a deadlock."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teamtask.ledger.errors import TeamtaskError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    MakeRunner = Callable[..., Any]


def whole(captured: Any) -> bytes:
    return b"".join(captured.chunks())


@given(chunks=st.lists(st.binary(max_size=300) | st.sampled_from([b"", b"\n", b"x" * 70_000]), max_size=8))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_command_reads_exactly_what_it_is_given(make_runner: MakeRunner, chunks: list[bytes]) -> None:
    with make_runner() as runner:
        one = runner.run("cat", stdin=chunks)
        assert one.exit == 0
        assert whole(one.stdout) == b"".join(chunks)
        one.close()


def test_a_block_longer_than_every_buffer_goes_in_while_its_echo_comes_out(make_runner: MakeRunner) -> None:
    lines = [b"%d\n" % number for number in range(300_000)]
    one = make_runner().run("cat", stdin=iter(lines))
    assert whole(one.stdout) == b"".join(lines)
    one.close()


def test_one_item_may_be_longer_than_a_pipe(make_runner: MakeRunner) -> None:
    one = make_runner().run("wc", "-c", stdin=[b"x" * 1_000_000])
    assert one.stdout.kept.strip() == b"1000000"


def test_no_more_is_drawn_than_the_command_reads(make_runner: MakeRunner) -> None:
    drawn = itertools.count()
    one = make_runner().run("head", "-n", "1", stdin=(b"%d\n" % next(drawn) for _ in itertools.count()))
    assert one.stdout.kept == b"0\n"
    assert one.exit == 0
    assert next(drawn) < 100_000  # of items without end


@pytest.mark.parametrize("command", ["true", "exec <&-; sleep 0.1", "exit 3"])
def test_a_command_need_not_read_its_items(make_runner: MakeRunner, command: str) -> None:
    closed = []

    def items() -> Iterator[bytes]:
        try:
            while True:
                yield b"item\n" * 1000
        finally:
            closed.append(True)

    one = make_runner().run("sh", "-c", command, stdin=items())
    assert one.exit == (3 if command == "exit 3" else 0)
    assert one.stderr.size == 0
    assert closed == [True]


def test_a_child_left_behind_with_the_stdin_does_not_keep_us(make_runner: MakeRunner) -> None:
    runner = make_runner()
    one = runner.run("sh", "-c", "exec 3<&0; sleep 30 <&3 & echo $!", stdin=itertools.repeat(b"item\n"))
    assert one.exit == 0
    make_runner().run("kill", one.stdout.kept.strip())


def test_many_commands_are_fed_at_once(make_runner: MakeRunner) -> None:
    runner = make_runner(20)
    for number in range(20):
        runner.start(
            number, [b"sh", b"-c", b"sort -n | tail -n 1"], stdin=(b"%d\n" % n for n in range(20_000 + number))
        )
    assert [int(one.stdout.kept) for one in runner.finish_all()] == [20_000 + number - 1 for number in range(20)]


class LinesLost(TeamtaskError):
    """The items could not be read."""


@pytest.mark.parametrize("readable", [0, 100_000])
def test_items_that_cannot_be_read_end_the_command_without_an_outcome(make_runner: MakeRunner, readable: int) -> None:
    def items() -> Iterator[bytes]:
        yield from itertools.repeat(b"item\n", readable)
        raise LinesLost

    runner = make_runner()
    runner.start(1, [b"sleep", b"0.2"])
    with pytest.raises(LinesLost):  # noqa: PT012 - at the start, or as the command reads on
        runner.start(2, [b"cat"], stdin=items())
        while True:
            assert [one.tag for one in runner.wait()] == []
    assert [one.tag for one in runner.finish_all()] == [1]


def test_items_that_no_command_takes_are_given_back(make_runner: MakeRunner) -> None:
    closed = []

    def items() -> Iterator[bytes]:
        try:
            yield b"item\n"
        finally:
            closed.append(True)

    stream = items()
    next(stream)
    one = make_runner().run("./no-such-command", stdin=stream)
    assert one.exit == 127
    assert closed == [True]
