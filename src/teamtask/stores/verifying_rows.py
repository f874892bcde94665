"""`verify_rows`: whether the rows of a store of tables belong together, beyond what its readers see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teamtask.stores.index_key import index_of
from teamtask.stores.verifying import FINDINGS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Ask = Callable[
        ..., Iterable[Any]
    ]  # (name of a query, values) -> rows, which are all taken before the next is asked


def verify_rows(ask: Ask) -> list[str]:
    """Say what is wrong. The store has the queries `orphans`, `old_events`, `spans`, `all_uploads`, `chunk_sizes`."""
    return [*_ownership(ask), *_widths(ask), *_uploads(ask)]


def _ownership(ask: Ask) -> list[str]:
    orphans = [
        f"rows of {table} belong to number {no}, which does not exist" for table, no in ask("orphans", FINDINGS_MAX)
    ]
    return orphans + [
        f"list number {no} has version {version} in its journal and in its snapshot"
        for no, version in ask("old_events", FINDINGS_MAX)
    ]


def _widths(ask: Ask) -> list[str]:
    findings = []
    for name, widest_bits, seq, key, end in ask("spans"):
        try:
            size = index_of(end) - index_of(key)
        except (TypeError, ValueError) as error:
            findings.append(f"list {name!r}: the results of seq {seq}: {error}")
        else:
            if not 0 < size < 1 << widest_bits:
                findings.append(f"list {name!r}: the results of seq {seq} span {size} indices, fewer were expected")
    return findings


def _are_whole(*values: object) -> bool:
    """Tell whether they are whole numbers: in a damaged file anything may stand in the place of one."""
    return all(isinstance(value, int) for value in values)


def _uploads(ask: Ask) -> list[str]:
    findings = []
    ends: dict[int, int] = {}  # of the lines of each list so far
    for no, list_no, first_index, size in list(ask("all_uploads")):
        if not _are_whole(no, size, *([] if list_no is None else [first_index])):
            findings.append(f"upload {no!r:.80} has numbers that are none")
            continue
        if list_no is not None:
            if first_index != ends.get(list_no, 0):
                findings.append(f"upload {no} begins at line {first_index} of its list, not at {ends.get(list_no, 0)}")
            ends[list_no] = first_index + size
        end = 0
        for first_line, count in ask("chunk_sizes", no):
            if not _are_whole(first_line, count):
                findings.append(f"upload {no} has lines whose numbers are none")
                break
            if first_line != end or count < 1:
                findings.append(f"upload {no} has {count} lines at {first_line}, after {end}")
            end = first_line + count
        if end != size:
            findings.append(f"upload {no} has {end} lines instead of {size}")
    return findings
