"""`machines`: network namespaces with a cable to this machine, which can be pulled out."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class NoMachine(Exception):
    """This system makes no network namespaces for us."""


class Here:
    """This machine: no cable."""

    host = "127.0.0.1"

    def start(self, words: list[str]) -> subprocess.Popen[bytes]:
        """Start a program on it."""
        return subprocess.Popen(words)


class Machine:
    """A network namespace. Raises NoMachine."""

    def __init__(self, number: int) -> None:
        self.name = f"teamtask-{os.getpid()}-{number}"
        self._cable = f"tt{os.getpid() % 1_000_000}-{number}"
        network = f"198.18.{os.getpid() % 100 + 100 * number}"  # RFC 2544's, for tests
        self.host = f"{network}.1"
        _ip("netns", "add", self.name)
        try:
            _ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", self.name)
            _ip("addr", "add", f"{self.host}/24", "dev", self._cable)
            _ip("link", "set", self._cable, "up")
            _ip("-n", self.name, "addr", "add", f"{network}.2/24", "dev", "eth0")
            _ip("-n", self.name, "link", "set", "eth0", "up")
        except NoMachine:
            self.close()
            raise

    def start(self, words: list[str]) -> subprocess.Popen[bytes]:
        """Start a program on it."""
        return subprocess.Popen(["ip", "netns", "exec", self.name, *words])

    def plug(self, *, in_: bool) -> None:
        """Plug the cable in, or pull it out."""
        _ip("link", "set", self._cable, "up" if in_ else "down")

    def close(self) -> None:
        """Be gone, with the cable."""
        _ip("netns", "del", self.name)


def _ip(*words: str) -> None:
    try:
        subprocess.run(["ip", *words], check=True, capture_output=True)
    except OSError as error:
        raise NoMachine(f"ip cannot be run: {error.strerror}") from error
    except subprocess.CalledProcessError as error:
        raise NoMachine(f"ip {' '.join(words)}: {error.stderr.decode().strip()}") from error


@contextlib.contextmanager
def machines(count: int) -> Iterator[list[Machine]]:
    """Give so many machines. Raises NoMachine."""
    with contextlib.ExitStack() as stack:
        made: list[Machine] = []
        for number in range(count):
            made.append(Machine(number))
            stack.callback(made[-1].close)
        yield made
