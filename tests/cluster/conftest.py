"""A cluster for the tests: the one that KUBECONFIG names, a namespace of their own in it, and a controller."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))  # for run_page
sys.path.insert(0, str(Path(__file__).parent))  # for the modules that bring the cluster up
import files
import teamtask_image
from teamtask_command import Teamtask

from teamtask import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUILT = Path(__file__).parents[2] / ".cluster" / "kubectl"
WAIT_SECONDS = 90


class Cluster:
    """kubectl in a namespace that goes with it."""

    def __init__(self) -> None:
        found = str(BUILT) if BUILT.exists() else shutil.which("kubectl")
        assert found, "there is no kubectl: `make cluster` builds one"
        self.program = Path(found)
        self.namespace = f"teamtask-{secrets.token_hex(4)}"

    def kubectl(self, *arguments: str, given: object = None, check: bool = True) -> str:
        """Run kubectl, with a document on its standard input; give what it prints."""
        done = subprocess.run(
            [self.program, f"--namespace={self.namespace}", "--request-timeout=20s", *arguments],
            input=None if given is None else json.dumps(given), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout if done.returncode == 0 else done.stderr

    def create_list(self, name: str, **spec: Any) -> None:
        """Create a Worklist."""
        document = {"apiVersion": "teamtask.io/v1alpha1", "kind": "Worklist", "metadata": {"name": name}, "spec": spec}
        self.kubectl("create", "-f", "-", given=document)

    def create_block(self, name: str, of: str) -> None:
        """Create a Block, as a person does."""
        metadata = {"name": name, "finalizers": ["teamtask.io/uncounted"]}
        spec = {"listRef": {"name": of}, "holder": "admin"}
        document = {"apiVersion": "teamtask.io/v1alpha1", "kind": "Block", "metadata": metadata, "spec": spec}
        self.kubectl("create", "-f", "-", given=document)

    def report(self, name: str, sequence: int, state: str, **fields: object) -> None:
        """Report on a Block with a patch."""
        report = {"sequence": sequence, "state": state, **fields}
        self.kubectl("patch", "block", name, "--type=merge", "-p", json.dumps({"spec": {"report": report}}))

    def status(self, kind: str, name: str) -> dict[str, Any]:
        """Give the status of an object."""
        return dict(json.loads(self.kubectl("get", kind, name, "-o", "json")).get("status", {}))

    def wait(self, there: Callable[[], object]) -> None:
        """Wait until something is true."""
        until = time.monotonic() + WAIT_SECONDS
        while not there():
            assert time.monotonic() < until, self.kubectl("get", "teamtask", "-o", "yaml")
            time.sleep(0.1)

    def wait_for_assignment(self, name: str, sequence: int) -> dict[str, Any]:
        """Wait until a Block has its assignment of that number; give its status."""
        self.wait(lambda: self.status("block", name).get("sequence") == sequence)
        return self.status("block", name)

    def wait_for_status(self, name: str, after: int) -> dict[str, Any]:
        """Wait until a Block is assigned something after that assignment, or closed; give its status."""
        self.wait(lambda: self.status("block", name).get("sequence", 0) > after or self._is_closed(name))
        return self.status("block", name)

    def _is_closed(self, name: str) -> bool:
        return self.status("block", name)["phase"] == "Closed"


class Controller:
    """`teamtask controller` as a process, which a test may kill."""

    def __init__(self, namespace: str, kubeconfig: Path, log: Path, *options: str) -> None:
        self._command = [sys.executable, "-m", "teamtask", "controller", "--namespace", namespace, *options]
        self._environment = os.environ | {"KUBECONFIG": str(kubeconfig)}
        self._log = log
        self.start()

    def start(self) -> None:
        """Start it, again if it was killed."""
        with self._log.open("ab") as log:
            self._began = log.tell()
            self.process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; give the exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)

    def said(self) -> str:
        """Give what it has logged."""
        return self._log.read_text()

    def leads(self) -> bool:
        """Tell whether it has become the one that acts since it was started, and runs."""
        return self.process.poll() is None and b" leading" in self._log.read_bytes()[self._began :]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("the cluster tests did not run: `make test-cluster` brings a cluster up, or set KUBECONFIG")
    cluster = Cluster()
    definitions = subprocess.run([sys.executable, "-m", "teamtask", "crds"], stdout=subprocess.PIPE, check=True).stdout
    cluster.kubectl("apply", "-f", "-", given=json.loads(definitions))
    for crd in ("worklists", "blocks"):
        cluster.kubectl("wait", "--for=condition=Established", f"crd/{crd}.teamtask.io")
    cluster.kubectl("create", "namespace", cluster.namespace)
    yield cluster
    cluster.kubectl("delete", "worklists", "--all")
    left = cluster.kubectl("get", "blocks", "-o", "name").split()
    if left:  # nobody counts them any more, and their namespace would wait for that
        bare = json.dumps({"metadata": {"finalizers": None}})
        cluster.kubectl("patch", *left, "--type=merge", "-p", bare)
    cluster.kubectl("delete", "namespace", cluster.namespace, "--wait=false")


@pytest.fixture(scope="session")
def image(cluster: Cluster) -> str:
    """The image of this tree, in the cluster: its name."""
    assert cluster
    if named := os.environ.get("TEAMTASK_TEST_IMAGE"):
        return named
    if not files.is_ours():
        pytest.skip("this needs TEAMTASK_TEST_IMAGE, an image of this tree that the cluster of KUBECONFIG can pull")
    return teamtask_image.load()


def controllers_account(cluster: Cluster, folder: Path) -> Path:
    """Write the kubeconfig of an account that has the controller's role, and no other."""
    account = f"{cluster.namespace}:controller"
    cluster.kubectl("create", "serviceaccount", "controller")
    cluster.kubectl(
        "create", "rolebinding", "controller", "--clusterrole=teamtask-controller", f"--serviceaccount={account}"
    )
    config = json.loads(cluster.kubectl("config", "view", "--minify", "--flatten", "--raw", "-o", "json"))
    config["users"][0]["user"] = {"token": cluster.kubectl("create", "token", "controller").strip()}
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    return kubeconfig


@pytest.fixture(scope="session")
def account(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return controllers_account(cluster, tmp_path_factory.mktemp("account"))


@pytest.fixture
def second(cluster: Cluster, account: Path, controller: Controller, tmp_path: Path) -> Iterator[Controller]:
    cluster.wait(lambda: "leading" in controller.said())
    second = Controller(cluster.namespace, account, tmp_path / "log")
    yield second
    if second.process.poll() is None:
        second.stop(signal.SIGKILL)


@pytest.fixture(scope="session")
def controller(cluster: Cluster, account: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    controller = Controller(cluster.namespace, account, tmp_path_factory.mktemp("controller") / "log")
    yield controller
    assert controller.stop() == 0, controller.said()
    assert "Traceback" not in controller.said()


@pytest.fixture
def client(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    client = Client(f"k8s:///{cluster.namespace}")
    yield client
    client.close()


@pytest.fixture
def teamtask(cluster: Cluster, tmp_path: Path) -> Iterator[Teamtask]:
    teamtask = Teamtask(cluster, tmp_path)
    yield teamtask
    teamtask.close()
