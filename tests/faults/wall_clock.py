"""`WallClock`: the time of day as some programs are told it, to be set forth and back under them."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")


def can_set_clocks() -> bool:
    """Tell whether there is a compiler of C."""
    return shutil.which("cc") is not None


class WallClock:
    """Kept in a file of `folder`; `environment` is for the programs, which may run as somebody else."""

    def __init__(self, folder: Path) -> None:
        """Compile what tells programs the time, where there is a compiler; without, nothing is changed."""
        self._file = folder / "clock"
        self.environment: dict[str, str] = {}
        self.set(0)
        if can_set_clocks():
            library = folder / "clock.so"
            subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE)], check=True)
            self.environment = {"LD_PRELOAD": str(library), "TEAMTASK_TEST_CLOCK": str(self._file)}

    def set(self, seconds: int) -> None:
        """Set it so many seconds before (or after) the machine's."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds))
