"""`AsyncClient`: `teamtask.Client` for asyncio: the same calls, each made in a thread.

```python
client = teamtask.aio.AsyncClient()
async for block in client.work("primes"):
    async for item in block:
        ...
    block.done()
```
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from teamtask.client.work import Work
from teamtask.sdk import Client
from teamtask.worker.function_run import FunctionRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from teamtask.client.block import Block
    from teamtask.client.worklist import Worklist
    from teamtask.sources import Source

_T = TypeVar("_T")
_END: Final = object()


class AsyncClient:
    """As `teamtask.Client`, with lists that are awaited: `await list.pause()`, `async for result in list.results()`."""

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        self.client = Client(url, token)

    async def create(self, name: str, source: Source[Any] | Iterable[str], **options: Any) -> AsyncWorklist:  # noqa: ANN401 - JSON
        """See `Client.create`."""
        return AsyncWorklist(await asyncio.to_thread(self.client.create, name, source, **options))

    async def get(self, name: str) -> AsyncWorklist:
        """See `Client.get`."""
        return AsyncWorklist(await asyncio.to_thread(self.client.get, name))

    def lists(self, *, state: str | None = None, label: str | None = None) -> InThread[AsyncWorklist]:
        """See `Client.lists`."""
        return InThread(map(AsyncWorklist, self.client.lists(state=state, label=label)))

    async def delete(self, name: str) -> None:
        """See `Client.delete`."""
        await asyncio.to_thread(self.client.delete, name)

    def work(
        self, name: str, *, seconds: float | None = None, worker: str | None = None, forever: bool = False
    ) -> InThread[AsyncBlock]:
        """See `Client.work`. A task that is cancelled gives its block back; no signal is heard here."""
        work = Work(
            self.client.connection,
            name,
            seconds=seconds,
            worker=worker,
            forever=forever,
            is_cancelled=_is_cancelled,
            waits=False,  # the loop has other things to do
        )
        return InThread(map(AsyncBlock, work), work.stop)

    async def run(
        self,
        name: str,
        function: Callable[[Any], Any],
        **options: Any,  # noqa: ANN401 - those of Client.run
    ) -> AsyncWorklist:
        """See `Client.run`. A task that is cancelled ends it after the items in hand; no signal is heard here."""
        run = FunctionRun(self.client.connection, name, function, **options)
        try:
            await asyncio.to_thread(run)
        except asyncio.CancelledError:
            run.stop()
            raise
        return await self.get(name)

    def close(self) -> None:
        """See `Client.close`."""
        self.client.close()


class AsyncWorklist:
    """A `Worklist` whose calls are awaited, or iterated with `async for`; what it shows is there at once."""

    def __init__(self, worklist: Worklist) -> None:
        self.worklist = worklist

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what a Worklist has
        """Give what the list shows, or a call of it."""
        found = getattr(self.worklist, name)
        if not inspect.ismethod(found):
            return found
        if inspect.isgeneratorfunction(found):
            return lambda *given, **named: InThread(found(*given, **named))

        async def call(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - the method's
            answer = await asyncio.to_thread(found, *given, **named)
            return self if answer is self.worklist else answer

        return call


class AsyncBlock:
    """A `Block` whose items may wait for the network: `async for item in block`. What it is told, it hears at once."""

    def __init__(self, block: Block) -> None:
        self.block = block

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what a Block has
        """Give what the block has."""
        return getattr(self.block, name)

    def __aiter__(self) -> InThread[Any]:
        """Give the items."""
        return InThread(iter(self.block))

    def __iter__(self) -> Iterator[Any]:
        """Give the items in the loop's thread, which is quicker where they are computed and none is waited for."""
        return iter(self.block)


class InThread(Generic[_T]):
    """Iterates in a thread; `stop` is called when the task that waits for the next one is cancelled."""

    def __init__(self, iterator: Iterator[_T], stop: Callable[[], None] = lambda: None) -> None:
        self._iterator = iterator
        self._stop = stop

    def __aiter__(self) -> InThread[_T]:
        """Iterate once."""
        return self

    async def __anext__(self) -> _T:
        """Wait for the next one."""
        try:
            found: Any = await asyncio.to_thread(next, self._iterator, _END)
        except asyncio.CancelledError:
            self._stop()
            raise
        if found is _END:
            raise StopAsyncIteration
        return found  # type: ignore[no-any-return] # it is an item


def _is_cancelled() -> bool:
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    return task is not None and task.cancelling() > 0
