"""Writes reference/limits.md from the constants in the source, so that it cannot be out of date unnoticed.

    python docs/make_limits_reference.py

A test fails when the page is not what this script would write.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

PAGE = Path(__file__).parent / "reference" / "limits.md"
BEGINNING = """<!-- written by docs/make_limits_reference.py; do not edit -->

# Limits

There is a limit on everything that could grow. Whoever meets one is told which it is and what to do; nothing is cut off
in silence, but for what a command prints beyond what is kept.
"""
SECONDS = {"seconds": 1, "hours": 3_600, "days": 86_400}
# Title: rows of (what, module, constant, unit).
TABLES: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "Lists": (
        ("An index or a size", "ledger.rules", "DIGITS_MAX", "decimal digits"),
        ("A line", "wire.line_splitter", "LINE_BYTES_MAX", "bytes"),
        ("Lines of a file or a pipe", "", "", "as many as the disk holds"),
        ("Items of `--permutations` and `--combinations`, values of one `--axis`", "sources.limits", "ITEMS_MAX", ""),
        ("Axes", "sources.limits", "AXES_MAX", ""),
        ("Characters of an alphabet", "sources.limits", "ALPHABET_MAX", ""),
        ("Characters of a string, positions of a mask", "sources.limits", "POSITIONS_MAX", ""),
        ("Characters and digits of all items of a computed list", "sources.limits", "WEIGHT_MAX", ""),
    ),
    "Runs": (
        ("Commands at once (`-j`)", "worker.slots", "JOBS_MAX", ""),
        ("Output of an item that is kept", "worker.work_items", "KEPT_OUTPUT_BYTES", "bytes"),
        ("Output of an item that is shown", "", "", "all of it, through a temporary file"),
        ("A line of `$TEAMTASK_REPORT`", "worker.block_report", "LINE_BYTES_MAX", "bytes"),
        ("Result of a Python function, pickled", "worker.portable", "RESULT_BYTES_MAX", "bytes"),
        ("A finished run is kept", "local.state_files", "KEPT_DAYS", "days"),
    ),
    "The API of a server": (
        ("A body, but for uploads of items, which are streamed", "api.call", "BODY_BYTES_MAX", "bytes"),
        ("A client that sends nothing in the middle of a request", "api.call", "RECEIVE_SECONDS", "seconds"),
        ("Things on one page", "api.call", "PAGE_MAX", ""),
        ("Items in one answer", "wire.views", "ITEMS_MAX", ""),
        ("Items that travel with a lease", "wire.limits", "ITEMS_OF_LEASE_MAX", ""),
        ("Reports in one exchange", "wire.limits", "REPORTS_MAX", ""),
        ("Results in one report", "wire.limits", "RESULTS_MAX", ""),
        ("One result, as JSON", "wire.limits", "RESULT_BYTES_MAX", "bytes"),
        ("The name of a worker", "wire.limits", "WORKER_CHARACTERS_MAX", "characters"),
        ("Labels of a list", "service.creating", "LABELS_MAX", ""),
        ("Principals and groups that have one role", "service.creating", "HOLDERS_MAX", ""),
        ("An Idempotency-Key is kept", "service.idempotency", "KEPT_SECONDS", "hours"),
        ("A token that has expired is kept", "service.tokens", "EXPIRED_KEPT_SECONDS", "days"),
        ("The audit trail is kept", "service.auditing", "RETENTION_SECONDS", "days"),
    ),
    "Lists in Kubernetes": (
        ("Lines that a Worklist itself holds", "client.cluster.kept_lines", "ITEMS_MAX", ""),
        ("The same in bytes", "client.cluster.kept_lines", "ITEMS_BYTES_MAX", "bytes"),
        ("Lines of which `teamtask create` makes a ConfigMap", "client.cluster.kept_lines", "MAP_BYTES_MAX", "bytes"),
        ("All results of a list", "controller.kept_results", "RESULTS_BYTES_MAX", "bytes"),
    ),
    "Workers of a server": (
        ("Reports that wait on disk for their server", "client.spool", "SPOOL_BYTES_MAX", "bytes"),
        (
            "Results of a program that wait in memory to be reported",
            "client.work_session",
            "WAITING_BYTES_MAX",
            "bytes",
        ),
    ),
    "The ledger": (
        ("Leases, holes in them, returned pieces and parked items of a list in all", "ledger.rules", "PIECES_MAX", ""),
        ("Holes in one lease", "ledger.rules", "HOLES_MAX", ""),
        ("Ranges in one report", "ledger.rules", "RANGES_MAX", ""),
        ("Ranges in one rerun or unpark", "ledger.rules", "OWNER_RANGES_MAX", ""),
        ("Blocks in one lease", "ledger.rules", "BLOCKS_PER_LEASE_MAX", ""),
        ("The error kept with a parked item", "ledger.rules", "ERROR_BYTES_MAX", "bytes"),
        ("The fold of a list", "ledger.rules", "FOLD_BYTES_MAX", "bytes"),
        ("`top=K`, and the buckets of a histogram", "ledger.folds", "BUCKETS_MAX", ""),
        ("Workers remembered that are no longer active", "ledger.rules", "WORKERS_KEPT", ""),
    ),
}


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), "utf-8")


def page() -> str:
    """Give the whole page."""
    parts = [BEGINNING]
    for title, rows in TABLES.items():
        parts += [f"## {title}\n", "| what | at most |", "| --- | --- |"]
        parts += [
            f"| {what} | {value(module, constant, unit)} {unit} |".replace("  ", " ")
            for what, module, constant, unit in rows
        ]
        parts.append("")
    return "\n".join(parts)


def value(module: str, constant: str, unit: str) -> str:
    """Give the value of a constant as people write numbers, seconds in this unit; nothing where there is none."""
    if not constant:
        return ""
    number = getattr(import_module(f"teamtask.{module}"), constant)
    if constant.endswith("SECONDS"):
        number = round(number / SECONDS[unit])
    return f"{number:,}"


if __name__ == "__main__":
    main()
