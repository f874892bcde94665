"""Every setting by name, of the server and its clients; and the files by which these find one another on one machine.

All servers of a user share one admin token, in a file that only this user can read; each says in a file where it is.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from teamtask.ledger.errors import InvalidField, TeamtaskError

STORE: Final = "TEAMTASK_STORE"
BIND: Final = "TEAMTASK_BIND"
ADMIN_TOKEN: Final = "TEAMTASK_ADMIN_TOKEN"  # noqa: S105 - the name of a variable
URL: Final = "TEAMTASK_URL"
TOKEN: Final = "TEAMTASK_TOKEN"  # noqa: S105 - as above
LOG_LEVEL: Final = "TEAMTASK_LOG_LEVEL"
LOG_FORMAT: Final = "TEAMTASK_LOG_FORMAT"

DEFAULT_BIND: Final = "127.0.0.1:8080"
DEFAULT_URL: Final = f"http://{DEFAULT_BIND}"
_PORT_MAX: Final = 65_535
_PORT: Final = re.compile("[0-9]{1,9}")


_TOKEN_FILE: Final = "admin-token"  # noqa: S105 - the name of a file
_SERVER_SUFFIX: Final = ".url"
_URL_BYTES_MAX: Final = 4_096
_remembered: dict[Bind, int] = {}  # servers of this process: the files that it holds locked


class SettingsNotWritable(TeamtaskError):
    """What the server has to keep for this user cannot be written."""

    code = "settings_not_writable"
    hint = "Set XDG_STATE_HOME to a folder that you can write, or give --store and TEAMTASK_ADMIN_TOKEN."


class Bind(NamedTuple):
    """Where a server listens; port 0 is any that is free."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Tell whether nobody on another machine can reach it."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    @property
    def url(self) -> str:
        """Give the address that one types on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)  # noqa: S104 - what it stands for
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def parse_bind(text: str) -> Bind:
    """Read HOST:PORT, [IPV6]:PORT or :PORT (every address of the machine). Raises InvalidField."""
    host, colon, port = text.rpartition(":")
    if not colon or not _PORT.fullmatch(port) or int(port) > _PORT_MAX:
        raise InvalidField(f"{text!r:.80} is not HOST:PORT.", field="bind", hint=f"For example {DEFAULT_BIND}.")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise InvalidField(f"{text!r:.80} is not HOST:PORT.", field="bind", hint="An IPv6 address stands in [ ].")
    return Bind(host or "0.0.0.0", int(port))  # noqa: S104 - that is what :PORT asks for


def state_folder() -> Path:
    """Give the folder of what this user's Teamtask keeps; it need not exist."""
    base = os.environ.get("XDG_STATE_HOME") or ""
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "state") / "teamtask"


def server_folder() -> Path:
    """Give the folder of the servers of this user; it need not exist."""
    return state_folder() / "server"


def default_store() -> str:
    """Give the store of a server that is not told of one; its folder is made. Raises SettingsNotWritable."""
    return f"sqlite:{_made_folder() / 'lists.sqlite'}"


def admin_token() -> str:
    """Give the admin token of this user's servers, made if there is none yet. Raises SettingsNotWritable."""
    given = os.environ.get(ADMIN_TOKEN)
    if given:
        return given
    path = _made_folder() / _TOKEN_FILE
    made = f"tt_{secrets.token_urlsafe(32)}"
    try:
        with open(path, "x", encoding="ascii", opener=_for_its_user_only) as file:
            file.write(made)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return known_token() or made
    except OSError as error:
        raise SettingsNotWritable(f"{path} cannot be written: {error.strerror}.") from error
    return made


def admin_token_is_given() -> bool:
    """Tell whether whoever runs the server has thought of an admin token."""
    return bool(os.environ.get(ADMIN_TOKEN))


def known_token() -> str | None:
    """Give the admin token of this user's servers, if there is one."""
    try:
        return (server_folder() / _TOKEN_FILE).read_text("ascii").strip() or None
    except (OSError, UnicodeError):
        return None


def remember_server(bind: Bind) -> None:
    """Let the command line on this machine find the server, as long as this process lives.

    A lock on the file tells that it does: what a killed server left is believed by nobody, so that no other user who
    listens at its port is ever sent a token. Raises SettingsNotWritable.
    """
    path = _made_folder() / f"{bind.port}{_SERVER_SUFFIX}"
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(file, 0)
        os.write(file, bind.url.encode())
    except OSError as error:
        raise SettingsNotWritable(f"{path} cannot be written: {error.strerror}.") from error
    _remembered[bind] = file


def forget_server(bind: Bind) -> None:
    """Take the server's file away."""
    with suppress(OSError):
        (server_folder() / f"{bind.port}{_SERVER_SUFFIX}").unlink()
    file = _remembered.pop(bind, None)
    if file is not None:
        os.close(file)


def known_servers() -> list[str]:
    """Give the addresses of this user's servers that run on this machine, the default one first."""
    found = [_running(path) for path in server_folder().glob(f"*{_SERVER_SUFFIX}")]
    default = DEFAULT_BIND.rpartition(":")[2]
    return sorted(filter(None, found), key=lambda url: (not url.endswith(f":{default}"), url))


def _running(path: Path) -> str | None:
    """Give the address in the file of a server; None when that runs no more."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(file, _URL_BYTES_MAX).decode("ascii", "replace").strip() or None
    except OSError:
        return None
    else:
        return None
    finally:
        os.close(file)


def _made_folder() -> Path:
    folder = server_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsNotWritable(f"The folder {folder} cannot be made: {error.strerror}.") from error
    return folder


def _for_its_user_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
