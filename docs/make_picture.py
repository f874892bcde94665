"""Draws images/run.svg, the picture in the README: a real `teamtask run`, interrupted and typed again.

    python docs/make_picture.py

The commands run in a pseudo terminal, so that progress is shown as people see it. What stands on the screen is kept at
three moments: when Ctrl-C is pressed, a second after the second command began, and at its end.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parent / "images" / "run.svg"
COLUMNS, ROWS = 92, 40
HOSTS = [f"127.0.0.{number}" for number in range(1, 101)]
HOSTS[14], HOSTS[57], HOSTS[85] = "db..example", "mail..example", "127.255.255.255"  # which do not answer
COMMAND = ["teamtask", "run", "-q", "-j8", "--name", "hosts", "hosts.txt", "--", "ping", "-c3", "-i0.2", "-W1", "{}"]
CTRL_C = b"\x03"
_CONTROL = re.compile(r"\x1b\[2K|\r\n|\r|\n")


class Screen:
    """As much of a terminal as progress needs: lines, of which the last one may be written again."""

    def __init__(self) -> None:
        self.lines = [""]
        self._at_start = False

    def write(self, text: str) -> None:
        """Take what a program writes."""
        position = 0
        for control in [*_CONTROL.finditer(text), None]:
            self._put(text[position : control.start() if control else len(text)])
            if control is None:
                break
            position = control.end()
            if control[0].endswith("\n"):
                self.lines.append("")
                self._at_start = False
            elif control[0] == "\r":
                self._at_start = True
            else:
                self.lines[-1] = ""

    def _put(self, text: str) -> None:
        if text and self._at_start:
            self.lines[-1] = text + self.lines[-1][len(text) :]
            self._at_start = False
        else:
            self.lines[-1] += text


def run(folder: Path, interrupt_after: float | None) -> tuple[list[str], list[str]]:
    """Run the command; give the screen after a while (when Ctrl-C was pressed, if it is), and at the end."""
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(folder)
        os.environ |= {"XDG_STATE_HOME": str(folder), "TERM": "xterm-256color"}
        os.execv(Path(sys.executable).parent / COMMAND[0], COMMAND)  # noqa: S606 - no shell is wanted
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    screen, middle, begin = Screen(), None, time.monotonic()
    while True:
        if select.select([terminal], [], [], 0.02)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # how Linux says that the other end was closed
                break
            if not data:
                break
            screen.write(data.decode())
        if middle is None and time.monotonic() - begin > (interrupt_after or 1.5):
            middle = list(screen.lines)
            if interrupt_after:
                os.write(terminal, CTRL_C)
    os.waitpid(pid, 0)
    os.close(terminal)
    return middle or [], screen.lines


def main() -> None:
    """Draw the picture."""
    prompt = "$ " + " ".join(COMMAND)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "hosts.txt").write_text("".join(f"{host}\n" for host in HOSTS))
        interrupted, after = run(folder, interrupt_after=3.0)
        resumed, end = run(folder, interrupt_after=None)
    begun = end[: len(resumed) - 1]  # what stands above the progress
    lines = [prompt, interrupted[-1].rstrip() + "^C", *after, prompt, *resumed, *end[len(begun) :]]
    lines = [line for line in lines if line.strip()]
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"), color_system="truecolor")  # noqa: SIM115, PTH123 - it lives as long as we do
    for number, line in enumerate(lines):
        style = "bold" if line.startswith("$") else ""
        if style and number:
            console.print()
        for start in range(0, max(1, len(line.rstrip())), COLUMNS):  # as a terminal does
            console.print(Text(line[start : start + COLUMNS].rstrip(), style=style))
    svg = console.export_svg(title="teamtask run", unique_id="run")
    # The fonts that Rich names come from another site; a monospaced one of the reader's does.
    svg = re.sub(r"@font-face \{.*?\}\n", "", svg, flags=re.DOTALL)
    svg = svg.replace("font-family: Fira Code", "font-family: ui-monospace, Menlo, Consolas")
    PICTURE.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", "utf-8")


if __name__ == "__main__":
    main()
