"""Says which Python files and functions are too long; `make check` and test_style.py both run this file.

`python lengths.py [FOLDER ...]` prints one line per finding, `file:line: what`, and exits 1 if there is one.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
FOLDERS = ("src", "tests", "examples", "benchmarks", "docs")


def too_long(path: Path) -> Iterator[str]:
    """Every finding in the Python file `path`; a decorator counts as a line of its function."""
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    if lines > FILE_LINES_MAX:
        yield f"{path}:{FILE_LINES_MAX + 1}: the file has {lines} lines, at most {FILE_LINES_MAX} are allowed"
    for node in ast.walk(ast.parse(text, str(path))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        lines = (node.end_lineno or start) - start + 1
        if lines > FUNCTION_LINES_MAX:
            yield f"{path}:{start}: {node.name} has {lines} lines, at most {FUNCTION_LINES_MAX} are allowed"


def main(folders: list[str]) -> int:
    """Print the findings in all Python files under `folders`; return the exit code."""
    findings = [
        finding
        for folder in folders
        for path in sorted(Path(folder).rglob("*.py"))
        if "_build" not in path.parts
        for finding in too_long(path)
    ]
    print(*findings, sep="\n", end="\n" if findings else "")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or [folder for folder in FOLDERS if Path(folder).exists()]))
