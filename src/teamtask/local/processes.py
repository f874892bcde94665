"""Which process works, and whether it still lives: a local worker's name is HOST/PID.MARK, or HOST/PID.MARK/2.

The mark is made of the namespace of process ids and the start time, so that a process id that is used again, or a
container of the same host name, is not mistaken for the worker.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re

from teamtask.stores.sqlite.machine import name_of_process, process_is_dead

_NAME = re.compile(r"(?P<host>.+)/(?P<pid>[0-9]{1,10})\.(?P<namespace>[0-9a-f]{4})(?P<start>[0-9a-f]{8})(?:/[0-9])?")


def worker_name() -> str:
    """Give the name of this process as a worker."""
    return _name(os.getpid())


def is_dead(worker: str) -> bool:
    """Tell whether that worker was a process of this machine that is no more; False when nobody can know."""
    found = _NAME.fullmatch(worker)
    if found is None or found["host"] != _host():
        return False
    pid = int(found["pid"])
    now = _NAME.fullmatch(_name(pid))
    if now is None or now["namespace"] != found["namespace"]:
        return False  # a process of another container: its id means nothing here
    return now["start"] != found["start"] or process_is_dead(name_of_process(pid))


def is_alive(worker: str) -> bool:
    """Tell whether that worker is a process of this machine that lives, as far as anybody can know."""
    return worker.startswith(f"{_host()}/") and not is_dead(worker)


def shown_worker(worker: str) -> str:
    """Give the part of a worker's name that tells people something: HOST/PID."""
    found = _NAME.fullmatch(worker)
    return f"{found['host']}/{found['pid']}" if found else worker


def _name(pid: int) -> str:
    namespace, _, started = name_of_process(pid).split(" ", 2)
    return f"{_host()}/{pid}.{_digest(namespace, 2)}{_digest(started, 4)}"


def _digest(text: str, size: int) -> str:
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()


def _host() -> str:
    return (platform.node() or "localhost").replace("/", "-")
