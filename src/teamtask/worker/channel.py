"""`Channel`: messages between two processes that were one before a fork: tuples that marshal can write."""

from __future__ import annotations

import marshal
import select
import socket
from contextlib import suppress
from typing import Any

Message = tuple[Any, ...]


class HungUp(Exception):
    """There is nobody at the other end any more."""


_LENGTH_BYTES = 8
_READ_BYTES = 1 << 20
_SOCKET_BYTES = 1 << 20  # as much as the system allows of it


class Channel:
    """One end of a pair; used by one thread at a time, but for `send`, which its users must take turns in."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._received = bytearray()
        self._unsent = bytearray()
        self._readable = select.poll()
        self._readable.register(end, select.POLLIN)
        self.ended = False  # the other end is closed, and everything that it sent has been received
        with suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Make both ends."""
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return cls(one), cls(other)

    def fileno(self) -> int:
        """Give the descriptor, for poll."""
        return self._socket.fileno()

    @property
    def unsent(self) -> int:
        """How many bytes wait in this process."""
        return len(self._unsent)

    def send(self, message: Message) -> None:
        """Send, and wait until the system has taken all of it. Raises HungUp."""
        self._unsent += _framed(message)
        data, self._unsent = self._unsent, bytearray()
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise HungUp from error

    def post(self, message: Message) -> None:
        """Send as much as goes at once; `flush` sends the rest. What cannot arrive any more is dropped."""
        self._unsent += _framed(message)
        self.flush()

    def flush(self) -> bool:
        """Send what goes at once; tell whether nothing is left."""
        while self._unsent:
            try:
                sent = self._socket.send(self._unsent, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return False
            except OSError:  # nobody is there any more
                self._unsent.clear()
                break
            del self._unsent[:sent]
        return True

    def is_readable(self, seconds: float = 0.0) -> bool:
        """Wait so long for something to receive, or the end; tell whether there is."""
        return bool(self._readable.poll(seconds * 1000))

    def receive(self) -> list[Message]:
        """Give the messages that have come so far, without waiting."""
        while True:
            try:
                data = self._socket.recv(_READ_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self.ended = True
                break
            self._received += data
            if len(data) < _READ_BYTES // 8:
                break
        return self._messages()

    def hang_up(self) -> None:
        """Tell the other end that it is over, even where a fork has left copies of this end in other processes."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of this end in this process."""
        self._socket.close()

    def _messages(self) -> list[Message]:
        messages: list[Message] = []
        received, at = self._received, 0
        with memoryview(received) as view:
            while at + _LENGTH_BYTES <= len(received):
                start = at + _LENGTH_BYTES
                stop = start + int.from_bytes(view[at:start], "little")
                if stop > len(received):
                    break
                with view[start:stop] as part:
                    messages.append(marshal.loads(part))  # noqa: S302 - from a process of our own
                at = stop
        if at:
            del received[:at]
        return messages


def _framed(message: Message) -> bytes:
    text = marshal.dumps(message)
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text
