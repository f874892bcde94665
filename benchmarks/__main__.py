"""`make bench`: runs the benchmarks one after the other and writes docs/reference/benchmarks.md with a plot.

make bench                            # all of them; the page is written anew
make bench ARGS="run_commands"        # some of them; nothing is written
"""

from __future__ import annotations

import io
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent / "docs" / "reference" / "benchmarks.md"
IMAGES = FOLDER.parent / "docs" / "images"
TITLES = {
    "run_commands": "A command for each item",
    "million": "A million Python items",
    "ledger": "The ledger",
    "exchange": "The exchange over HTTP, beside other queues",
    "size_one": "Blocks of size one over HTTP",
    "many_lists": "Many lists on one server",
    "growth": "Lists that grow",
    "exchange_json": "The JSON of an exchange",
    "sources": "Computed lists",
    "spawn": "Starting commands",
}
PLOTS = {
    "run_commands": "commands a second",
    "million": "seconds for a million Python items",
    "exchange": "tasks a second, one at a time",
}
BEGINNING = """<!-- written by make bench; do not edit -->

# Benchmarks

`make bench` measures all of this on your machine, beside the peers that are installed there, and writes this page.
Machines differ and so do moments; only figures of one run are to be compared, and the ratios more than the rates. CPU
time holds where a busy machine's rates do not.
"""
WIDTH, ROW, LABEL = 640, 34, 190


def benchmarks() -> list[str]:
    """Give the benchmarks that there are, in the order of TITLES, then any others."""
    found = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))
    return sorted(found, key=lambda name: [*TITLES, name].index(name))


def title(name: str) -> str:
    """Give what the page calls a benchmark."""
    return TITLES.get(name, name)


class Tee(io.StringIO):
    """Keeps what is written, and shows it."""

    def __init__(self, shown: TextIO) -> None:
        super().__init__()
        self._shown = shown

    def write(self, text: str) -> int:
        """Keep and show."""
        self._shown.write(text)
        self._shown.flush()
        return super().write(text)


def run(name: str) -> str:
    """Run one benchmark, showing what it prints; give that."""
    kept = Tee(sys.stdout)
    kept.write(f"== {title(name)} (benchmarks/{name}.py)\n")
    begin = kept.tell()
    command = [sys.executable, "-u", str(FOLDER / f"{name}.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None, "it is a pipe"
        for line in process.stdout:
            kept.write(line)
    if process.returncode:
        raise SystemExit(f"benchmarks/{name}.py ended with {process.returncode}")
    return kept.getvalue()[begin:].strip()


def machine() -> str:
    """Say what was measured on, without naming the machine."""
    name, version = platform.system(), platform.release()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{os.cpu_count()} CPUs ({platform.machine()}), {name} {version}, {python}, {time.strftime('%Y-%m-%d')}."


def figures(text: str) -> dict[str, float]:
    """Give the first figure of every row of a table that a benchmark printed."""
    rows = re.findall(r"^(\S.*?) {2,}([\d,.]+)(?= |$)", text, re.MULTILINE)
    return {name: float(number.replace(",", "")) for name, number in rows}


def bars(heading: str, numbers: Mapping[str, float]) -> str:
    """Draw figures as bars, in order, the largest as long as the picture is wide; ours in colour."""
    height = ROW * len(numbers) + 50
    parts = [f'<text x="10" y="24" font-weight="bold">{heading}</text>']
    for row, (name, number) in enumerate(sorted(numbers.items(), key=lambda one: one[1])):
        y = 40 + ROW * row
        length = (WIDTH - LABEL - 80) * number / max(numbers.values())
        colour = "#4477aa" if name.startswith("teamtask") else "#bbbbbb"
        parts += [
            f'<text x="{LABEL - 10}" y="{y + 18}" text-anchor="end">{name}</text>',
            f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{ROW - 8}" fill="{colour}"/>',
            f'<text x="{LABEL + length + 8:.1f}" y="{y + 18}">{number:{",.0f" if number >= 100 else ".3g"}}</text>',
        ]
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="14">\n<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


def main(names: list[str]) -> None:
    """Run all, or those that are named."""
    there = benchmarks()
    unknown = [name for name in names if name not in there]
    if unknown:
        raise SystemExit(f"There is no benchmark {unknown[0]}; there are {', '.join(there)}.")
    parts, plots = [BEGINNING, machine() + "\n"], {}
    for name in names or there:
        text = run(name)
        print()
        parts.append(f"## {title(name)}\n\n`benchmarks/{name}.py`\n")
        if name in PLOTS:
            plots[f"benchmarks-{name}.svg"] = bars(PLOTS[name], figures(text))
            parts.append(f"![{PLOTS[name]}](../images/benchmarks-{name}.svg)\n")
        parts.append(f"```text\n{text}\n```\n")
    if names:
        return
    PAGE.write_text("\n".join(parts), "utf-8")
    for name, plot in plots.items():
        (IMAGES / name).write_text(plot, "utf-8")
    print(f"Written: {PAGE.relative_to(FOLDER.parent)}")


if __name__ == "__main__":
    main(sys.argv[1:])
