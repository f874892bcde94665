"""The same client for asyncio: calls are awaited, blocks and items come with `async for`."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from teamtask.aio import AsyncClient
from teamtask.client.connection import ApiError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.client.conftest import ServerProcess

SOON_SECONDS = 20.0


@pytest.fixture
def run(server: ServerProcess) -> Callable[[Callable[[AsyncClient], Awaitable[None]]], None]:
    """Run a coroutine with a client."""

    def run(test: Callable[[AsyncClient], Awaitable[None]]) -> None:
        async def main() -> None:
            with closing(AsyncClient(server.url, server.token)) as client:
                await test(client)

        asyncio.run(main())

    return run


async def until(made: Any, **expected: Any) -> None:
    """Wait until the list shows this: the last words of a loop are said behind its back."""
    give_up_at = time.monotonic() + SOON_SECONDS
    while {name: getattr(await made.refresh(), name) for name in expected} != expected:
        assert time.monotonic() < give_up_at
        await asyncio.sleep(0.01)


def test_a_list_is_made_worked_and_looked_at(run: Callable[..., None], name: str) -> None:
    async def test(client: AsyncClient) -> None:
        made = await client.create(name, ["a", "b", "c"], block={"size": 2})
        seen = []
        async for block in client.work(name):
            async for item in block:
                seen.append(item)
                block.result(block.item_in_hand, item)
            block.done()
        assert seen == ["a", "b", "c"]
        assert (await made.refresh()) is made
        assert (made.state, made.done) == ("complete", 3)
        assert [result.result async for result in made.results()] == ["a", "b", "c"]
        assert [pair async for pair in made.ranges()] == [(0, 3)]
        assert name in [found.name async for found in client.lists()]
        assert (await client.get(name)).size == 3
        await client.delete(name)
        with pytest.raises(ApiError):
            await client.get(name)

    run(test)


def test_many_work_at_once_in_one_loop(run: Callable[..., None], name: str) -> None:
    async def test(client: AsyncClient) -> None:
        made = await client.create(name, range(60), block={"size": 3}, fold="sum")

        async def work() -> None:
            async for block in client.work(name):
                total = 0
                for item in block:
                    total += item
                    await asyncio.sleep(0)
                block.done(fold=total)

        await asyncio.gather(*[work() for _ in range(3)])
        await until(made, state="complete", fold=sum(range(60)))

    run(test)


def test_an_exception_fails_the_item_in_hand(run: Callable[..., None], name: str) -> None:
    async def test(client: AsyncClient) -> None:
        made = await client.create(name, range(5), block={"size": 5}, attempts=1)

        async def work() -> None:
            async for block in client.work(name):
                async for item in block:
                    await asyncio.sleep(0)
                    block.result(item, 1 / (item - 2))

        with pytest.raises(ZeroDivisionError):
            await work()
        await until(made, done=2, leased=0, parked=1)

    run(test)


def test_break_and_the_end_of_a_task_give_back_what_is_left(run: Callable[..., None], name: str) -> None:
    async def test(client: AsyncClient) -> None:
        made = await client.create(name, range(5), block={"size": 5}, attempts=1)
        async for block in client.work(name):
            async for item in block:
                if item == 2:
                    break
                block.progress()
            break
        await until(made, done=2, leased=0, parked=0)
        begun = asyncio.Event()

        async def work() -> None:
            async for block in client.work(name):
                async for _ in block:
                    begun.set()
                    await asyncio.sleep(60)

        task = asyncio.create_task(work())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(made, done=2, leased=0, parked=0)

    run(test)


def test_a_task_that_waits_for_a_block_can_be_cancelled(run: Callable[..., None], name: str) -> None:
    async def test(client: AsyncClient) -> None:
        made = await client.create(name, range(5))
        await made.pause()

        async def work() -> None:
            async for _ in client.work(name):
                raise AssertionError("it is paused")

        task = asyncio.create_task(work())
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(test)
