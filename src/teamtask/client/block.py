"""`Block`: a part of a list in a program's hands: its items, and what the program says of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from teamtask.ledger.big_numbers import shown
from teamtask.ledger.errors import InvalidField, TeamtaskError
from teamtask.ledger.folds import check_fold
from teamtask.wire.result_batch import pack_encoded
from teamtask.wire.result_lines import shown_by_python
from teamtask.wire.results_json import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.client.held_lease import HeldLease
    from teamtask.client.list_items import ListItems
    from teamtask.client.work_session import WorkSession

ERROR_CHARACTERS_MAX: Final = 10_000  # of what went wrong
_SMALL_BYTES: Final = 200  # a value that has no more can be neither too large nor too deep

Results = Mapping[int, Any] | Iterable[tuple[Any, ...]]


class BlockEnded(TeamtaskError):
    """The block is no longer in hand."""

    code = "block_ended"
    hint = "Say what is to be said of a block before `done`, `fail` or `release`, and before the next one is taken."


class Block:
    """The indices [index, index + size) of a list.

    Iterating gives the items, and each that is asked for says that those before are done; it ends early when the rest
    was given to another worker, or is no longer wanted. `done` says that all of it is done, as far as it was given.
    What was iterated is told to the server before `done` only when the program has shown, in a block before, that it
    gives no results later than for the item in hand: they could not be recorded of what was told.
    """

    def __init__(self, session: WorkSession, items: ListItems, held: HeldLease, start: int, stop: int) -> None:
        self.index = start
        self.size = stop - start
        self.held = held
        self.stop = stop
        self.upto = start  # everything below is done,
        self.said = start  # as the program says by more than asking for the next item,
        self.told = start  # and the session knows
        self.begun_at = time.monotonic()
        self.item_in_hand: int | None = None  # its index
        self.is_cut_off = False  # from its items
        self._ends_at = stop
        self._session = session
        self._items = items
        self._is_open = True
        self._gives_late = False

    def __iter__(self) -> Iterator[Any]:
        """Give the items, in order of index."""
        held, session = self.held, self._session
        index = self.index
        for item in self._given():
            if index >= held.end or held.is_left or session.stopping or not self._is_open:
                break
            self.item_in_hand = index
            yield item
            index += 1
            self.upto = max(self.upto, index)
        self.item_in_hand = None
        self._ends_at = max(index, self.upto)

    def _given(self) -> Iterator[Any]:
        try:
            yield from self._items.items(self.index, self.size)
        except TeamtaskError:
            if self._session.stopping:
                return  # they are no longer wanted
            self.is_cut_off = True  # which is no item's fault
            raise

    def result(self, index: int, value: Any, ok: bool = True) -> None:  # noqa: ANN401, FBT001, FBT002 - any JSON; as on the wire
        """Record what an item gave, as JSON; `ok` is whether it succeeded. For the item in hand, it is done with this.

        It counts once its index is done. Raises InvalidField for what is no JSON or too large, BlockEnded.
        """
        self._check_open()
        self._check_index(index)
        if index < self.told:
            raise InvalidField(
                f"That index {shown(index)} is done was told already, and its result can no longer be recorded.",
                field="results",
                hint="Give results with `result` as they come, or all of them with `done`, in every block.",
            )
        self._session.result(self, index, _encoded(index, value), ok=bool(ok))
        is_in_order = index == self.item_in_hand
        self._gives_late = self._gives_late or not is_in_order
        self._session.results_come(in_order=is_in_order)
        if is_in_order:
            self._say(index + 1)

    def progress(self, upto: int | None = None, *, fold: Any = None) -> None:  # noqa: ANN401 - any JSON
        """Say that everything below `upto` is done, or that the item in hand is too.

        On a list with a fold, give that of what is done since the last time: only with it this is recorded before the
        whole block is. Raises InvalidField, BlockEnded.
        """
        self._check_open()
        if upto is None:
            upto = self.upto if self.item_in_hand is None else self.item_in_hand + 1
        elif not self.index <= upto <= self.stop:
            raise InvalidField(f"{shown(upto)} is not in the block.", field="upto")
        check_fold(self._session.fold_rule, fold)
        self._say(upto)
        self._session.tell(self, fold)

    def done(self, results: Results | None = None, fold: Any = None) -> None:  # noqa: ANN401 - any JSON
        """Say that all of the block is done; with results, {index: value} or (index, value) or (index, value, ok).

        On a list with a fold, give that of what is done since the last `progress` that had one. Raises InvalidField,
        BlockEnded.
        """
        self._check_open()
        rule = self._session.fold_rule
        if rule is not None and fold is None and self.told < self._ends_at:
            raise InvalidField("The list has a fold: give that of the block.", field="fold")
        check_fold(rule, fold)
        if results is not None:
            self.item_in_hand = None  # its result is one of them
            for row in results.items() if isinstance(results, Mapping) else results:
                self.result(*row)
        self._session.results_come(in_order=results is None and not self._gives_late)
        self._say(self._ends_at)
        self._end(fold)

    def fail(self, error: BaseException | str, index: int | None = None) -> None:
        """Give up: the item at `index` is to blame, or no one knows which. What is done before stays done.

        What is left comes back, to be tried by another worker if there is one. Raises InvalidField, BlockEnded.
        """
        self._check_open()
        if index is not None:
            self._check_index(index)
        text = f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else str(error)
        text = text[:ERROR_CHARACTERS_MAX].encode("utf-8", "replace").decode()
        self._is_open = False
        self._session.fail(self, text, index)

    def release(self) -> None:
        """Give back what is not done, without a failure. Raises BlockEnded."""
        self._check_open()
        self._end()

    def leave(self) -> None:
        """As `release`, if it is still in hand."""
        if self._is_open:
            self._end()

    def _say(self, upto: int) -> None:
        self.said = self.upto = max(self.upto, upto)

    def _end(self, fold: Any = None) -> None:  # noqa: ANN401 - any JSON
        self._is_open = False
        self._session.end_block(self, fold)

    def _check_open(self) -> None:
        if not self._is_open:
            raise BlockEnded

    def _check_index(self, index: int) -> None:
        if not self.index <= index < self.stop:
            message = f"The block has the indices {shown(self.index)} to {shown(self.stop - 1)}, not {shown(index)}."
            raise InvalidField(message, field="index")

    def __repr__(self) -> str:
        return f"<Block {self.held.lease.name}: {shown(self.size)} items from index {shown(self.index)}>"


def _encoded(index: int, value: Any) -> bytes:  # noqa: ANN401 - any JSON
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        message = f"The result of index {shown(index)} is nothing that JSON can say: {shown_by_python(value):.80}"
        hint = "Give numbers, text, true, false, null, lists or objects."
        raise InvalidField(message, field="results", hint=hint) from error
    if len(text) > _SMALL_BYTES:
        rows_of(pack_encoded([index], b"[" + text + b"]"))  # says what is wrong with it
    return text
