"""The first process of the test cluster's namespaces: starts the components, and is there until it is killed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from files import COVERED, HOST_ADDRESS, NODE, NODE_ADDRESS, PROGRAM, SERVICE_NETWORK, STATE

API_SERVER = {
    "advertise-address": NODE_ADDRESS,
    "allow-privileged": "true",
    "audit-log-path": str(STATE / "logs" / "audit"),
    "audit-policy-file": str(STATE / "audit.json"),
    "authorization-mode": "Node,RBAC",
    "client-ca-file": str(STATE / "ca.crt"),
    "enable-admission-plugins": "NodeRestriction",
    "etcd-servers": "http://127.0.0.1:2379",
    "kubelet-client-certificate": str(STATE / "kubelet-client.crt"),
    "kubelet-client-key": str(STATE / "kubelet-client.key"),
    "kubelet-preferred-address-types": "InternalIP",
    "service-account-issuer": "https://kubernetes.default.svc",
    "service-account-key-file": str(STATE / "service-accounts.key"),
    "service-account-signing-key-file": str(STATE / "service-accounts.key"),
    "service-cluster-ip-range": SERVICE_NETWORK,
    "tls-cert-file": str(STATE / "server.crt"),
    "tls-private-key-file": str(STATE / "server.key"),
    "token-auth-file": str(STATE / "tokens.csv"),
}
CONTROLLER_MANAGER = {
    "kubeconfig": str(STATE / "controller-manager.kubeconfig"),
    "leader-elect": "false",
    "root-ca-file": str(STATE / "ca.crt"),
    "service-account-private-key-file": str(STATE / "service-accounts.key"),
    "use-service-account-credentials": "true",
}
SCHEDULER = {"kubeconfig": str(STATE / "scheduler.kubeconfig"), "leader-elect": "false"}
KUBELET = {
    "cert-dir": str(STATE / "kubelet-pki"),
    "config": str(STATE / "kubelet.json"),
    "hostname-override": NODE,
    "kubeconfig": str(STATE / "kubelet.kubeconfig"),
    "node-ip": NODE_ADDRESS,
    "root-dir": str(STATE / "kubelet"),
}
ETCD = {
    "data-dir": str(STATE / "etcd"),
    "listen-client-urls": "http://127.0.0.1:2379",
    "advertise-client-urls": "http://127.0.0.1:2379",
    "listen-peer-urls": "http://127.0.0.1:2380",
    "log-level": "warn",
}


def supervise() -> None:
    """Start everything, then reap whoever ends; a component that ends says so in this process' log."""
    _set_up_network()
    _cover_folders()
    for hierarchy in Path("/sys/fs/cgroup").iterdir():
        with contextlib.suppress(OSError):
            (hierarchy / "teamtask-cluster").mkdir(exist_ok=True)
    _fill_cpuset()
    names: dict[int, str] = {}
    _start(names, "containerd", ["containerd", "--config", str(STATE / "containerd.toml")])
    _start_component(names, "etcd", ETCD)
    _wait_for("http://127.0.0.1:2379/health")
    _start_component(names, "kube-apiserver", API_SERVER)
    _start_component(names, "kube-controller-manager", CONTROLLER_MANAGER)
    _start_component(names, "kube-scheduler", SCHEDULER)
    _start_component(names, "kubelet", KUBELET)
    _start_component(names, "kube-proxy", {"config": str(STATE / "proxy.json")})
    _start_component(names, "coredns", {"conf": str(STATE / "Corefile")})
    while True:
        pid, status = os.wait()
        if name := names.pop(pid, None):
            print(f"{name} ended: {os.waitstatus_to_exitcode(status)}", flush=True)
            if name != "etcd":
                time.sleep(1)
                _restart(names, name)


def _set_up_network() -> None:
    while (
        not Path("/sys/class/net/node0").exists()
        and subprocess.run(["ip", "link", "show", "node0"], capture_output=True, check=False).returncode
    ):
        time.sleep(0.02)
    for line in (
        "link set lo up",
        f"addr add {NODE_ADDRESS}/30 dev node0",
        "link set node0 up",
        f"route add default via {HOST_ADDRESS}",
    ):
        subprocess.run(["ip", *line.split()], check=True)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def _cover_folders() -> None:
    for number, folder in enumerate(COVERED):
        own = STATE / "covered" / str(number)
        own.mkdir(parents=True)
        Path(folder).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", own, folder], check=True)


def _fill_cpuset() -> None:
    """A new cgroup of version 1 has no CPUs until it is given some."""
    root = Path("/sys/fs/cgroup/cpuset")
    for name in ("cpuset.cpus", "cpuset.mems"):
        with contextlib.suppress(OSError):
            (root / "teamtask-cluster" / name).write_text((root / name).read_text())


COMMANDS: dict[str, list[str]] = {}


def _start_component(names: dict[int, str], name: str, options: dict[str, str]) -> None:
    _start(names, name, [str(PROGRAM), name, *(f"--{option}={value}" for option, value in options.items())])


def _start(names: dict[int, str], name: str, command: list[str]) -> None:
    COMMANDS[name] = command
    _restart(names, name)


def _restart(names: dict[int, str], name: str) -> None:
    with (STATE / "logs" / name).open("ab") as log:
        environment = os.environ | {"GOMAXPROCS": "2"}
        process = subprocess.Popen(
            COMMANDS[name], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    names[process.pid] = name


def _wait_for(address: str) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=1):  # noqa: S310 - ours
            return
        time.sleep(0.05)
    sys.exit(f"{address} did not answer")
