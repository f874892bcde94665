"""What the acceptance tests of `run` share: the real command, in a folder and with a state of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

TEAMTASK = [sys.executable, "-m", "teamtask"]


@dataclass
class Shell:
    """A folder to run commands in, with a state folder beside it."""

    folder: Path
    state: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "XDG_STATE_HOME": str(self.state), "COLUMNS": "80"}

    def run(self, *words: str | bytes, stdin: bytes = b"", timeout: float = 60) -> subprocess.CompletedProcess[bytes]:
        """Run `teamtask WORDS` to its end."""
        return subprocess.run(
            [*TEAMTASK, *words],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
        )

    def start(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start `teamtask WORDS`."""
        quiet: dict[str, Any] = {
            "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL,
        }  # fmt: skip
        return subprocess.Popen([*TEAMTASK, *words], cwd=self.folder, env=self.environment, **{**quiet, **options})

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a file into the folder."""
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def script(self, name: str, text: str) -> str:
        """Write a command of sh into the folder, and give how to call it."""
        path = self.write(name, "#!/bin/sh\n" + text)
        path.chmod(0o755)
        return f"./{name}"

    def names(self) -> list[str]:
        """Give the names of the runs there are."""
        return sorted(path.stem for path in self.state.glob("teamtask/*.teamtask"))
