"""`Site`: a store, the servers over it, and all that a fault can be done to."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING, Final, Protocol

from postgres import WORKING_AS, Postgres, Standby
from relay import Relay
from server_process import ServerProcess
from wall_clock import WallClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DISK_MIB: Final = 256  # and some for every item
ITEMS_PER_MIB: Final = 2_000


class NoSmallDisk(Exception):
    """This system mounts no file system for us."""


class Place(Protocol):
    """Where lists are kept: `url` is for servers, by whatever way, and `direct` for whoever must not be disturbed."""

    url: str
    direct: str
    disk: Path | None  # a small file system that all is on

    def start(self) -> None:
        """Begin again after a kill."""
        ...

    def close(self) -> None:
        """Remove everything."""
        ...


class SqlitePlace:
    """A file of SQLite."""

    def __init__(self, disk: Path) -> None:
        self.disk = disk
        self.url = self.direct = f"sqlite://{disk}/lists.sqlite"

    def start(self) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing runs."""


class PostgresPlace:
    """A PostgreSQL behind a relay, and maybe a standby behind another one."""

    def __init__(self, disk: Path, folder: Path, environment: dict[str, str], *, with_standby: bool) -> None:
        self.disk = disk
        self.primary = Postgres(disk / "primary", environment)
        self._clusters = [self.primary]
        self.standby: Standby | None = None
        self.relays = [Relay(self.primary.port)]
        if with_standby:
            self.standby = Standby(folder / "standby", environment, self.primary)
            self._clusters.append(self.standby)
            self.relays.append(Relay(self.standby.port))
        self.url = self._url([relay.port for relay in self.relays])

    @property
    def direct(self) -> str:
        """Give the way that is never cut."""
        return self._url([self.primary.port])

    def _url(self, ports: list[int]) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        return f"postgresql://{WORKING_AS}@{hosts}/{WORKING_AS}?target_session_attrs=read-write&connect_timeout=5"

    def start(self) -> None:
        """Begin again after a kill."""
        self.primary.start()

    def fail_over(self) -> None:
        """Kill the primary for ever; the standby takes its place."""
        assert self.standby is not None
        self.primary.kill()
        self.standby.promote()
        self.primary, self.standby = self.standby, None

    def close(self) -> None:
        """Remove everything."""
        for relay in self.relays:
            relay.close()
        for cluster in self._clusters:
            cluster.close()


class Site:
    """Servers over one store, all in a folder; on a disk of its own where this system mounts one."""

    def __init__(
        self, folder: Path, store: str, servers: int, items: int, *, bind: str, with_standby: bool = False
    ) -> None:
        self._closing = contextlib.ExitStack()
        self.disk_mib = DISK_MIB + items // ITEMS_PER_MIB
        try:
            disk = folder / "disk"
            disk.mkdir()
            self.small_disk = self._mounted(disk)
            self.clock = WallClock(folder)
            environment = self.clock.environment
            self.place = (
                SqlitePlace(disk)
                if store == "sqlite"
                else PostgresPlace(disk, folder, environment, with_standby=with_standby)
            )
            self._closing.callback(self.place.close)
            self.servers = [
                ServerProcess(folder / f"server-{number}", self.place.url, environment, bind=bind)
                for number in range(servers)
            ]
            for server in self.servers:
                self._closing.callback(server.close)
                server.start()
        except BaseException:
            self._closing.close()
            raise
        self._folder = folder

    @contextlib.contextmanager
    def fresh_server(self) -> Iterator[ServerProcess]:
        """Give one more server, which has just begun."""
        number = sum(1 for _ in self._folder.glob("fresh-*"))
        server = ServerProcess(self._folder / f"fresh-{number}", self.place.direct, self.clock.environment)
        try:
            server.start()
            yield server
        finally:
            server.close()

    def close(self) -> None:
        """End everything, and leave nothing mounted."""
        self._closing.close()

    def _mounted(self, disk: Path) -> bool:
        if os.geteuid() != 0:
            return False
        words = ["mount", "-t", "tmpfs", "-o", f"size={self.disk_mib}m,mode=755", "teamtask", str(disk)]
        if subprocess.run(words, check=False, capture_output=True).returncode:
            return False
        self._closing.callback(subprocess.run, ["umount", "--lazy", str(disk)], check=False)
        return True
