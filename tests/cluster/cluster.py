"""`up`, `down` and `is-up`: a Kubernetes of one node for the tests, built from the Go modules and Debian's containerd.

Everything runs in namespaces of its own (network, mounts, processes) under one process: when that one is killed, its
containers, mounts, bridges and packet rules are gone with it. It needs root. Where KUBECONFIG names a cluster, that is
used, and nothing is started.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import files
import images
from files import COVERED, HOST_ADDRESS, KUBECONFIG, PROGRAM, SOCKETS, STATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COMPONENTS = Path(__file__).with_name("components")
VERSION = "v1.34.4"
NEEDED = {
    "buildah": "buildah",
    "cc": "gcc",
    "containerd": "containerd",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "iptables": "iptables",
    "runc": "runc",
    "unshare": "util-linux",
}
READY_SECONDS = 120
CGROUP = "teamtask-cluster"
PID_FILE = STATE / "pid"


class ClusterError(Exception):
    """Why there is no cluster, and what to do."""


def up() -> Path:
    """Bring the cluster up, if it is not, and give its kubeconfig."""
    if named := os.environ.get("KUBECONFIG"):
        return Path(named)
    with _alone():
        running = _running()
        if not running or not PROGRAM.exists():  # which is kubectl, too
            _check_machine()
            _build()
        if not running:
            _remove()
            _start()
        images.load()
    return KUBECONFIG


def down() -> None:
    """Take the cluster away, with all that it left; what was built for it stays in `.cluster`."""
    with _alone():
        _remove()
        images.remove_unfinished()
        for folder in COVERED:
            with contextlib.suppress(OSError):  # something of somebody else is in it
                Path(folder).rmdir()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Two of these commands do not run at once."""
    with Path("/run/lock/teamtask-cluster").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _running() -> int | None:
    """The pid of the process that holds the cluster."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(PID_FILE.read_text())
        if b"cluster.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    return None


def _check_machine() -> None:
    if os.geteuid() != 0:
        message = "A cluster for the tests takes root: name one of yours in KUBECONFIG, or run this as root."
        raise ClusterError(message)
    missing = sorted({package for program, package in NEEDED.items() if not shutil.which(program)})
    if not Path("/usr/lib/cni/bridge").exists():
        missing.append("containernetworking-plugins")
    if not list(Path("/usr/lib").glob("*/libc.a")):
        missing.append("libc6-dev")
    if missing:
        message = f"A cluster for the tests needs {', '.join(missing)}: apt-get install {' '.join(missing)}"
        raise ClusterError(message)
    if not shutil.which("go"):
        message = "The cluster is built with Go 1.24 or later: install it, or name a cluster in KUBECONFIG."
        raise ClusterError(message)


def _write_kubectl() -> None:
    """Leave a kubectl beside the program, for people."""
    script = PROGRAM.with_name("kubectl")
    script.write_text(f'#!/bin/sh\nexec {PROGRAM} kubectl "$@"\n')
    script.chmod(0o755)


def _build() -> None:
    """Build the one program of all components: minutes the first time, then seconds, as Go keeps what it compiled."""
    print(f"building Kubernetes {VERSION} (5 to 10 minutes the first time)", file=sys.stderr)
    major, minor = VERSION.removeprefix("v").split(".")[:2]
    base = "k8s.io/component-base/version"
    flags = f"-s -w -X {base}.gitVersion={VERSION} -X {base}.gitMajor={major} -X {base}.gitMinor={minor}"
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", PROGRAM, "."],
        cwd=COMPONENTS,
        check=True,
    )
    _write_kubectl()


def _start() -> None:
    files.write_all()
    with (STATE / "logs" / "supervisor").open("wb") as log:
        process = subprocess.Popen(
            [
                *("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"),
                *(sys.executable, __file__, "supervise"),
            ],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    PID_FILE.write_text(str(process.pid))
    _wait(process, "the supervisor", lambda: bool(_children(process.pid)))
    _connect(_children(process.pid)[0])
    _wait(process, "the API server", lambda: kubectl("get", "--raw=/readyz").returncode == 0)
    _wait(process, "the node", lambda: b" Ready " in kubectl("get", "nodes", "--no-headers").stdout)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _connect(node: int) -> None:
    """Lay a cable between this machine and the node, which is a namespace."""
    for line in (
        f"link add teamtask0 type veth peer name node0 netns {node}",
        f"addr add {HOST_ADDRESS}/30 dev teamtask0",
        "link set teamtask0 up",
    ):
        subprocess.run(["ip", *line.split()], check=True)


def _wait(process: subprocess.Popen[bytes], what: str, there: Callable[[], bool]) -> None:
    until = time.monotonic() + READY_SECONDS
    while not there():
        if process.poll() is not None or time.monotonic() > until:
            logs = "\n".join(f"{log.name}: {log.read_text()[-600:]}" for log in sorted((STATE / "logs").iterdir()))
            message = f"{what} did not come up. The end of each log:\n{logs}"
            raise ClusterError(message)
        time.sleep(0.2)


def kubectl(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run kubectl against the cluster that was started here."""
    return subprocess.run(
        [PROGRAM, "kubectl", f"--kubeconfig={KUBECONFIG}", "--request-timeout=5s", *arguments],
        capture_output=True, check=False,
    )  # fmt: skip


def _remove() -> None:
    pid = _running()
    if pid is not None:
        for child in _children(pid):
            os.kill(child, signal.SIGKILL)  # the first of its namespace: all others die with it
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}").exists() and _running():
            time.sleep(0.05)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
    for folder in (STATE, SOCKETS):
        shutil.rmtree(folder, ignore_errors=True)
    for root in Path("/sys/fs/cgroup").glob(f"*/{CGROUP}"):
        for path, _, _ in os.walk(root, topdown=False):
            with contextlib.suppress(OSError):
                Path(path).rmdir()


def main() -> int:
    """Do what the first argument says."""
    try:
        match sys.argv[1:]:
            case ["up"]:
                print(f"export KUBECONFIG={up()}")
            case ["down"]:
                down()
            case ["is-up"]:
                return 0 if os.environ.get("KUBECONFIG") or _running() else 1
            case ["supervise"]:
                import supervisor

                supervisor.supervise()
            case _:
                print("usage: cluster.py up|down|is-up", file=sys.stderr)
                return 2
    except (ClusterError, images.ImageError) as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
