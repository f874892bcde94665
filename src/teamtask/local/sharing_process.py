"""`shared_run`: shares a run while it is worked, in a process beside it that ends when the run does, however that ends.

docs/decisions/sharing.md says why it is a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from teamtask.ledger.errors import TeamtaskError
from teamtask.local.share_access import GRACE_SECONDS, Shared
from teamtask.local.state_files import open_state
from teamtask.settings import Bind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from teamtask.local.open_run import OpenedRun

_QUIET_SECONDS: Final = 1.0  # so long nobody wonders why it does not end
_PATIENCE_SECONDS: Final = 60.0  # beyond the grace and all that a server finishes: then something is wrong with it


class SharingFailed(TeamtaskError):
    """The process that was to share the run has ended."""

    code = "sharing_failed"


@contextmanager
def shared_run(opened: OpenedRun, bind: Bind, say: Callable[[str], None]) -> Iterator[Shared]:
    """Share the run until the end of the `with`; what its workers still report then is waited for, Ctrl-C cuts that.

    Raises SharingFailed.
    """
    command = [sys.executable, "-P", "-m", "teamtask.local.sharing_process"]
    with subprocess.Popen(
        [*command, str(opened.path.absolute()), opened.record.name, bind.host, str(bind.port)],
        stdin=subprocess.PIPE,  # at its end of file, also when we are killed, the sharing ends
        stdout=subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C is for us: there is more to report
    ) as process:
        try:
            yield _told(process)
        finally:
            _end(process, say)


def _told(process: subprocess.Popen[bytes]) -> Shared:
    assert process.stdout is not None
    line = process.stdout.readline()
    told = json.loads(line) if line.endswith(b"\n") else {}
    if "error" in told:
        message, hint = told["error"]
        raise SharingFailed(message, hint=hint)
    if not told:
        raise SharingFailed
    return Shared(**told)


def _end(process: subprocess.Popen[bytes], say: Callable[[str], None]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        if not _has_ended(process, _QUIET_SECONDS):
            say(f"Waiting for workers elsewhere to hear of it, {GRACE_SECONDS:.0f} s at most; Ctrl-C ends that.")
            if not _has_ended(process, _PATIENCE_SECONDS):
                process.kill()
    except KeyboardInterrupt:
        while not _has_ended(process, _QUIET_SECONDS):
            process.terminate()  # the first one may come before it has seen the end of its input
    assert process.stdout is not None
    for line in process.stdout:
        say(f"It was not shared to its end: {json.loads(line)['error'][0]}")


def _has_ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _serve(path: str, name: str, host: str, port: str) -> None:
    """Be the process."""
    from teamtask.local.sharing import share  # the run itself needs no server

    try:
        service = open_state(Path(path))
        try:
            share(service, service.find(name), Bind(host, int(port)), _tell, _until_closed)
        finally:
            service.store.close()
    except TeamtaskError as error:
        _write({"error": [error.message, error.hint]})


def _tell(shared: Shared) -> None:
    _write(shared._asdict())


def _write(message: dict[str, object]) -> None:
    print(json.dumps(message), flush=True)  # noqa: T201 - the run reads it


def _until_closed() -> None:
    while os.read(0, 1):  # not sys.stdin, whose lock this thread would hold when the process ends
        pass


if __name__ == "__main__":
    _serve(*sys.argv[1:])
