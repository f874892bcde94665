"""`Shell`: prints the commands of the demo before it runs them, so that they can be typed again."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path


class DemoFailed(Exception):
    """Something did not go as the demo promises."""


class Shell:
    """Runs commands in a folder, with a state folder below it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.set = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
            "XDG_STATE_HOME": str(folder / "state"),
        }

    def environment(self) -> dict[str, str]:
        """Give what commands see: no setting of Teamtask but those that are printed."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TEAMTASK_")}
        return kept | self.set

    def say_where(self) -> None:
        """Print what has to be typed once, before everything else."""
        print(f"$ cd {shlex.quote(str(self.folder))}")
        print(f"$ export XDG_STATE_HOME={shlex.quote(self.set['XDG_STATE_HOME'])}")
        print(f"$ export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH", flush=True)

    def call(self, *words: str, ok: range | tuple[int, ...] = (0,)) -> int:
        """Print a command and run it. Raises DemoFailed where its exit status is not among `ok`."""
        process = self.start(words)
        status = process.wait()
        if status not in ok:
            raise DemoFailed(f"{shlex.join(words)} exited with {status}")
        return status

    def start(self, words: tuple[str, ...] | list[str], *, behind: bool = False) -> subprocess.Popen[bytes]:
        """Print a command and start it; one that runs `behind` the others says nothing."""
        end = " 2>/dev/null &" if behind else ""
        print("$ " + shlex.join(words).replace("'{}'", "{}") + end, flush=True)
        quiet = subprocess.DEVNULL if behind else None
        return subprocess.Popen(
            words, cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL, stdout=quiet, stderr=quiet
        )

    def output(self, *words: str) -> str:
        """Run a command without showing it; give its output. Raises DemoFailed."""
        done = subprocess.run(words, cwd=self.folder, env=self.environment(), capture_output=True, check=False)
        if done.returncode:
            raise DemoFailed(f"{shlex.join(words)} says {done.stderr.decode()}")
        return done.stdout.decode()


def say(text: str) -> None:
    """Print a sentence between commands."""
    bold, plain = ("\x1b[1m", "\x1b[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}# {text}{plain}", flush=True)
