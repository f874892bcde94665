"""`Postgres` and `Standby`: the PostgreSQL of a round, which syncs what it says, and what takes its place."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from signal import SIGCONT

sys.path.append(str(Path(__file__).parents[1] / "stores"))  # for own_postgres

from own_postgres import PostgresServer, reserved_port

__all__ = ["Postgres", "Standby", "reserved_port"]
SUPERUSER = "postgres"
WORKING_AS = "teamtask"  # no superuser: what is kept for those is not kept for it
SETTINGS = {"max_connections": "40", "max_wal_size": "1GB", "wal_keep_size": "256MB"}


class Postgres(PostgresServer):
    """Made in `folder`, with an empty database."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        for path in folder.parents:  # it may run as nobody, who has to come there
            if path.owner() == "root" and os.geteuid() == 0 and path.stat().st_mode & 0o005 != 0o005:
                path.chmod(path.stat().st_mode | 0o055)
        super().__init__(fsync=True, superuser=SUPERUSER, folder=folder, environment=environment)
        self._begin()

    def _begin(self) -> None:
        self.execute(f"CREATE ROLE {WORKING_AS} LOGIN")
        self.execute(f"CREATE DATABASE {WORKING_AS} OWNER {WORKING_AS}")

    def _settings(self) -> dict[str, str]:
        return super()._settings() | SETTINGS

    def close(self) -> None:
        """Stop it at once, also when it stands still, and remove its folder."""
        self.send(SIGCONT)
        super().close()


class Standby(Postgres):
    """A copy of `primary`, which every commit there waits for, until it is promoted."""

    def __init__(self, folder: Path, environment: dict[str, str], primary: Postgres) -> None:
        self._primary = primary
        super().__init__(folder, environment)

    def promote(self) -> None:
        """Become the primary, which waits for nobody."""
        self.run("pg_ctl", "promote", "-w", "-D", str(self.data))
        self.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
        self.execute("SELECT pg_reload_conf()")

    def _make(self) -> None:
        source = f"host=127.0.0.1 port={self._primary.port} user={SUPERUSER} application_name=standby"
        self.run("pg_basebackup", "-D", str(self.data), "-R", "-c", "fast", "-X", "stream", "-d", source)

    def _begin(self) -> None:
        self._primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self._primary.execute("SELECT pg_reload_conf()")
