"""`Commits`: the event loop's way to the group commit, which has a thread of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from teamtask.service.group_commit import GroupCommit

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.service.group_commit import Answered
    from teamtask.service.ledgers import Answer, Asked, Ledgers

    Ticket = Callable[[Answer | BaseException], None]


class Commits:
    """Carries commands out for coroutines of one loop."""

    def __init__(self, ledgers: Ledgers) -> None:
        """Begin within a running loop."""
        self._loop = asyncio.get_running_loop()
        self._group = GroupCommit(ledgers, self._deliver)

    def submit(self, asked: Asked, ticket: Ticket) -> None:
        """Have a command carried out; `ticket` is called in the loop with what it came to. Raises Overloaded."""
        self._group.submit(ticket, asked)

    async def carry_out(self, asked: Asked) -> Answer | BaseException:
        """Carry a command out, wait until it is committed, and give what it came to. Raises Overloaded."""
        future: asyncio.Future[Answer | BaseException] = self._loop.create_future()

        def ticket(answer: Answer | BaseException) -> None:
            if not future.done():  # else whoever asked has gone
                future.set_result(answer)

        self.submit(asked, ticket)
        return await future

    async def close(self) -> None:
        """Carry out what waits, and end."""
        await asyncio.to_thread(self._group.close)

    def _deliver(self, answered: list[Answered]) -> None:
        self._loop.call_soon_threadsafe(_call_all, answered)


def _call_all(answered: list[Answered]) -> None:
    for ticket, answer in answered:
        ticket(answer)
