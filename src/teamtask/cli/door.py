"""`Door`: one list wherever it lives, in a state file or on a server; what it gives are the API's own views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from teamtask.ledger.list_state import Move
    from teamtask.service.result_stream import Wanted
    from teamtask.service.views import RangeState
    from teamtask.wire.requests import ListChange
    from teamtask.wire.result_lines import ResultLine
    from teamtask.wire.views import Block, Changed, Range, Worker, Worklist


class Door(Protocol):
    """What every command does with a list goes through here. Each method raises TeamtaskError."""

    @property
    def name(self) -> str:
        """The name under which `ls` shows the list."""
        ...

    @property
    def server(self) -> str | None:
        """The server's address; None for a state file."""
        ...

    def command(self) -> str:
        """Give what a run does with each item, as it can be typed; "" where workers decide that."""
        ...

    def again(self) -> str | None:
        """Give the command line that works what is left; None where workers come by themselves."""
        ...

    def notes(self) -> list[tuple[str, str]]:
        """Give what else people want to know: titles and texts."""
        ...

    def kept_in(self) -> tuple[str, str]:
        """Give where it is: a title, and the file or the address."""
        ...

    def show(self) -> Worklist:
        """Give the list as it is now."""
        ...

    def blocks(self, state: RangeState | None = None) -> Iterable[Block]:
        """Give what is worked on, of a finished list what it has become, or what is in a state; by index."""
        ...

    def ranges(self, state: RangeState) -> Iterable[Range]:
        """Give what is in a state, merged, by index."""
        ...

    def workers(self) -> Iterable[Worker]:
        """Give the workers that the list knows."""
        ...

    def items(self, index: int, size: int) -> Iterator[Any]:
        """Give items, which there must be, as `Items` has them."""
        ...

    def results(self, wanted: Wanted) -> Iterator[ResultLine]:
        """Give results by index, or in order of arrival."""
        ...

    def move(self, move: Move) -> Worklist:
        """Pause, resume or cancel."""
        ...

    def change(self, change: ListChange) -> Worklist:
        """Change limits, blocks, labels, roles and the like."""
        ...

    def rerun(self, ranges: str | None, *, failed: bool) -> Changed:
        """Bring done indices back: of an interval text, those that are not ok, or both."""
        ...

    def unpark(self, ranges: str | None) -> Changed:
        """Bring parked indices back; None for all."""
        ...

    def grow(self, size: int) -> Changed:
        """Make a range longer: so many items in all."""
        ...

    def add_lines(self, batches: Iterator[list[bytes]]) -> Changed:
        """Give the list lines: the first ones if it awaits them, else behind those that it has."""
        ...
