"""`Bench` and `Controller`: what the parts of the benchmark share."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from teamtask.kube import objects as o
from teamtask.kube.api_server import ApiServer, KubernetesError

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
BUILT = Path(__file__).parents[2] / ".cluster"  # where `make cluster` leaves kubectl
TICKS = os.sysconf("SC_CLK_TCK")


class Controller:
    """`teamtask controller` as a process of this machine."""

    def __init__(self, namespace: str, *options: str) -> None:
        self.log = tempfile.NamedTemporaryFile(prefix="teamtask-bench-", suffix=".log")  # noqa: SIM115 - as long as it
        command = [sys.executable, "-m", "teamtask", "controller", "--namespace", namespace, *options]
        self._process = subprocess.Popen(command, stderr=self.log)
        while b"leading" not in self.said() and b"standing by" not in self.said():
            if self._process.poll() is not None:
                raise SystemExit(self.said().decode())
            time.sleep(0.05)

    def said(self) -> bytes:
        """Give what it has logged."""
        return Path(self.log.name).read_bytes()

    def cpu_seconds(self) -> float:
        """Give what it has used so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def mebibytes(self) -> float:
        """Give the memory that it holds now."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / MIB

    def kill(self) -> None:
        """End it without a word."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)


def _define() -> None:
    """Have the cluster know our kinds, and the roles and policies that go with them."""
    kubectl = shutil.which("kubectl", path=f"{BUILT}{os.pathsep}{os.environ['PATH']}")
    if kubectl is None:
        raise SystemExit("There is no kubectl: install one, or have `make cluster` build it.")
    manifests = subprocess.run([sys.executable, "-m", "teamtask", "crds"], stdout=subprocess.PIPE, check=True).stdout
    subprocess.run([kubectl, "apply", "-f", "-"], input=manifests, stdout=subprocess.DEVNULL, check=True)
    kinds = ("crd/worklists.teamtask.io", "crd/blocks.teamtask.io")
    subprocess.run([kubectl, "wait", "--for=condition=Established", *kinds], stdout=subprocess.DEVNULL, check=True)


class Bench:
    """A namespace, and what the parts share."""

    def __init__(self) -> None:
        _define()
        self.server = ApiServer()
        self.namespace = f"teamtask-bench-{secrets.token_hex(4)}"
        self.server.call("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})

    def close(self) -> None:
        """Delete the namespace; blocks that a part left when it was cut short have nobody to count them."""
        for plural in ("worklists", "blocks"):
            self._delete_all(plural)
        for left in self.server.call("GET", o.path("blocks", self.namespace), seconds=300)["items"]:
            path = f"{o.path('blocks', self.namespace)}/{left['metadata']['name']}"
            self.server.call("PATCH", path, {"metadata": {"finalizers": None}})
        self.server.call("DELETE", f"/api/v1/namespaces/{self.namespace}")

    def create_list(self, name: str, **spec: object) -> None:
        """Make a list."""
        document = {"apiVersion": o.API_VERSION, "kind": "Worklist", "metadata": {"name": name}, "spec": spec}
        self.server.call("POST", o.path("worklists", self.namespace), document)

    def worklist(self, name: str) -> o.Worklist:
        """Give a list as it is."""
        return o.read_worklist(self.server.call("GET", f"{o.path('worklists', self.namespace)}/{name}"))

    def delete_list(self, name: str) -> None:
        """Delete a list and its blocks, and wait until they are gone."""
        self.server.call("DELETE", f"{o.path('worklists', self.namespace)}/{name}")
        self._delete_all("blocks")
        while self.server.call("GET", o.path("blocks", self.namespace), query={"limit": 1})["items"]:
            time.sleep(0.5)

    def _delete_all(self, plural: str) -> None:
        while True:
            try:
                self.server.call("DELETE", o.path(plural, self.namespace), seconds=300)
            except KubernetesError as error:  # of thousands of blocks some may be left when the API server gives up
                if not error.may_pass:
                    raise
            else:
                return


def wait(there: Callable[[], object], seconds: float = 600.0) -> None:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not there():
        if time.monotonic() > until:
            raise SystemExit("it did not come to an end in time")
        time.sleep(0.05)


def percentile(values: list[float], share: float) -> float:
    """Give a percentile, in milliseconds."""
    return 1000 * sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")
