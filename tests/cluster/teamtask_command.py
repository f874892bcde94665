"""The command line on the namespace of the tests, and accounts to use it with."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Cluster

DONE_SECONDS = 60.0


class Done(NamedTuple):
    code: int
    out: str
    said: str


class Teamtask:
    """The command line, on the cluster's namespace."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.url = f"k8s:///{cluster.namespace}"
        self._environment = os.environ | {"TEAMTASK_URL": self.url, "XDG_STATE_HOME": str(folder)}
        self._started: list[subprocess.Popen[str]] = []

    def __call__(self, *arguments: str, given: str | None = None) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "teamtask", *arguments], env=self._environment, input=given, capture_output=True,
            text=True, check=False, timeout=DONE_SECONDS,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "teamtask", *arguments], env=self._environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._started.append(process)
        return process

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


def account(cluster: Cluster, name: str, role: str, pod: str | None = None) -> str:
    """Give the token of an account that has one of our roles and nothing else; with a pod, that of its container."""
    if "NotFound" in cluster.kubectl("get", "serviceaccount", name, check=False):
        cluster.kubectl("create", "serviceaccount", name)
        binding = f"--serviceaccount={cluster.namespace}:{name}"
        cluster.kubectl("create", "rolebinding", name, f"--clusterrole=teamtask-{role}", binding)
    bound = [] if pod is None else ["--bound-object-kind=Pod", f"--bound-object-name={pod}"]
    return cluster.kubectl("create", "token", name, *bound).strip()
