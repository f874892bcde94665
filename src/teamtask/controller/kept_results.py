"""`KeptResults`: what the ConfigMap of a list's results has, and whether more would fit: a key for each index."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from teamtask.wire.result_batch import JSON
from teamtask.wire.result_lines import ResultLine, as_json, json_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from teamtask.kube import objects as o
    from teamtask.ledger.interval_set import IntervalSet

RESULTS_BYTES_MAX = 1_000_000  # keys and values: the API server takes 1 MiB
_KEY_DIGITS_MAX = 16


class KeptResults:
    """By index: how many bytes, and whether it is ok. `next_seq` follows the latest one."""

    def __init__(self, data: Mapping[str, str]) -> None:
        """Read the data of the ConfigMap; keys that are no index of ours only take room."""
        self._kept: dict[int, tuple[int, bool]] = {}
        self._bytes = 0
        self.next_seq = 0
        for key, value in data.items():
            self._bytes += _size(key, value)
            row = _read(value)
            if len(key) <= _KEY_DIGITS_MAX and key.isascii() and key.isdigit() and row is not None:
                self._kept[int(key)] = _size(key, value), row["ok"] is True
                self.next_seq = max(self.next_seq, row["seq"] + 1)

    def has_room(self, rows: Mapping[int, str]) -> bool:
        """Tell whether these can be kept, each in the place of what its index had."""
        more = sum(_size(str(index), row) - self._kept.get(index, (0, True))[0] for index, row in rows.items())
        return self._bytes + more <= RESULTS_BYTES_MAX

    def keep(self, rows: Mapping[int, str], failed: set[int]) -> None:
        """Count these as kept."""
        for index, row in rows.items():
            self._bytes += _size(str(index), row) - self._kept.get(index, (0, True))[0]
            self._kept[index] = _size(str(index), row), index not in failed
        self.next_seq += len(rows)

    def within(self, ranges: IntervalSet) -> list[int]:
        """Give the indices within these ranges that have a result."""
        return [index for index in self._kept if index in ranges]

    def outside(self, ranges: IntervalSet) -> list[int]:
        """Give the indices outside of these ranges that have a result."""
        return [index for index in self._kept if index not in ranges]

    def failed(self, indices: Iterable[int]) -> int:
        """Count those that are not ok."""
        return sum(not self._kept[index][1] for index in indices)

    def drop(self, indices: Iterable[int]) -> None:
        """Count these as gone."""
        for index in indices:
            self._bytes -= self._kept.pop(index)[0]


def result_row(seq: int, item: Any, said: o.ReportedResult, worker: str) -> str:  # noqa: ANN401 - of any source
    """Write a result as `teamtask results` gives it."""
    return json_bytes(as_json(ResultLine(seq, said.index, item, said.value, said.ok, worker, JSON))).decode()


def _size(key: str, value: str) -> int:
    return len(key) + len(value.encode())


def _read(value: str) -> dict[str, Any] | None:
    try:
        row = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and type(row.get("seq")) is int else None
