"""`KeepJson`: every outcome of a function, as the JSON that a server takes; `AsJson` writes it where the function runs.

What JSON cannot say is told as Python shows it, exceptions too: so a list reads the same wherever it was worked.
"""

from __future__ import annotations

import json
import pickle
import re
from array import array
from typing import TYPE_CHECKING, Any, Final

from teamtask.ledger.errors import InvalidField
from teamtask.wire.limits import RESULT_BYTES_MAX, RESULT_DEPTH_MAX
from teamtask.wire.result_batch import pack_encoded
from teamtask.wire.result_lines import shown_by_python
from teamtask.wire.results_json import rows_of
from teamtask.worker.held_ranges import Finished, KeepOutcomes
from teamtask.worker.port import MESSAGE_BYTES_MAX
from teamtask.worker.portable import dumped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from teamtask.wire.messages import Report
    from teamtask.worker.held_ranges import HeldRange, SentRanges

_SMALL_BYTES: Final = 2 * RESULT_DEPTH_MAX  # neither too long nor too deep
_ERROR_CHARACTERS_MAX: Final = 10_000

_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode
_half_pairs = re.compile("[\ud800-\udfff]")  # bytes that are no UTF-8 (PEP 383), and what else is no character


class AsJson:
    """A function that gives the JSON of what another one returns."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def __call__(self, item: Any) -> bytes:  # noqa: ANN401 - any item
        """Call it. Raises what it raises, and ValueError for a result that is more than a server takes."""
        text = json_of(self._function(item))
        if len(text) > _SMALL_BYTES:
            _check(text)
        return text


def json_of(value: object) -> bytes:
    """Write a value as JSON, else as Python shows it; half of a surrogate pair becomes U+FFFD."""
    try:
        text = _encode(value)
    except (TypeError, ValueError, RecursionError):
        text = _encode(shown_by_python(value))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _half_pairs.sub("\ufffd", text).encode()


class KeepJson(KeepOutcomes):
    """Takes what `AsJson` gave."""

    def reports(self, held: HeldRange) -> Iterator[SentRanges]:
        """As Keeping, and none is more than a server takes: a process may send a great deal at once."""
        held.finished = [part for finished in held.finished for part in _parts(finished)]
        return super().reports(held)

    def _report(self, held: HeldRange, run: list[Finished]) -> Report:
        start, failed = run[0].start, list[int]()
        values: list[bytes] = []
        for finished in run:
            failed += [len(values) + position for position in finished.failed]
            values += [
                value if isinstance(value, bytes) else json_of(shown_by_python(value)[:_ERROR_CHARACTERS_MAX])
                for value in pickle.loads(finished.values)  # noqa: S301 - from processes of our own
            ]
        indices = range(start, run[-1].stop)
        return self._report_of(held, pack_encoded(indices, b"[" + b",".join(values) + b"]", failed=failed))


def _parts(finished: Finished) -> Iterator[Finished]:
    """Give what came of a range in parts of 8 MiB at most, unless a single result takes more."""
    start, stop, values, failed, seconds, _ = finished
    if len(values) <= MESSAGE_BYTES_MAX or stop - start == 1:
        yield finished
        return
    outcomes = pickle.loads(values)  # noqa: S301 - from processes of our own
    middle = (stop - start) // 2
    low = tuple(position for position in failed if position < middle)
    high = tuple(position - middle for position in failed if position >= middle)
    taken = array("f", seconds)
    for first, last, not_ok in ((0, middle, low), (middle, stop - start, high)):
        part = Finished(start + first, start + last, dumped(outcomes[first:last]), not_ok, taken[first:last].tobytes())
        yield from _parts(part)


def _check(text: bytes) -> None:
    if len(text) > RESULT_BYTES_MAX:
        raise ValueError(f"The result takes {len(text):,} bytes as JSON; {RESULT_BYTES_MAX:,} can be kept.")
    try:
        rows_of(pack_encoded([0], b"[" + text + b"]"))
    except InvalidField:
        raise ValueError(f"The result is nested more than {RESULT_DEPTH_MAX} levels deep.") from None
