"""Knocks at a TCP port three times, as `ping -c3` does; exits 0 when it answers: connect.py HOST:PORT."""

from __future__ import annotations

import socket
import sys
import time

TIMES = 3
PAUSE_SECONDS = 0.2


def main(address: str) -> int:
    """Return 0 when every attempt was answered, 1 otherwise."""
    host, _, port = address.rpartition(":")
    for attempt in range(TIMES):
        if attempt:
            time.sleep(PAUSE_SECONDS)
        begin = time.perf_counter()
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError as error:
            print(f"{address}: {error.strerror or error}", file=sys.stderr)
            return 1
        print(f"{address} answered in {1000 * (time.perf_counter() - begin):.2f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
