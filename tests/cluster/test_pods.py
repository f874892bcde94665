"""Pods run on the cluster: their logs are there, and they reach the API server. The rest stands on this."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import files
import images
import pytest

if TYPE_CHECKING:
    from conftest import Cluster

ASK_THE_API_SERVER = """
import json, os, ssl, urllib.request
account = "/var/run/secrets/kubernetes.io/serviceaccount/"
address = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
request = urllib.request.Request(address + "/apis/authentication.k8s.io/v1/selfsubjectreviews", b"{}")
request.add_header("Authorization", "Bearer " + open(account + "token").read())
request.add_header("Content-Type", "application/json")
with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=account + "ca.crt")) as answer:
    print(json.load(answer)["status"]["userInfo"]["username"])
"""


pytestmark = pytest.mark.skipif(
    not files.is_ours(), reason="this is about the cluster of `make cluster`, and KUBECONFIG names none or another one"
)


def run_job(cluster: Cluster, name: str, *command: str) -> str:
    """Run a command in a Job's pod to its end; give what it printed."""
    container = {"name": "main", "image": images.BASE, "command": list(command)}
    pod = {"restartPolicy": "Never", "containers": [container]}
    spec = {"backoffLimit": 0, "template": {"spec": pod}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}
    cluster.kubectl("create", "-f", "-", given=job)
    cluster.kubectl("wait", "--for=condition=Complete", f"job/{name}", "--timeout=60s", "--request-timeout=70s")
    return cluster.kubectl("logs", f"job/{name}")


def test_a_job_completes_and_its_log_can_be_read(cluster: Cluster) -> None:
    assert run_job(cluster, "hello", "sh", "-c", "echo hello; id -u") == "hello\n0\n"


def test_a_pod_reaches_the_api_server_as_its_service_account(cluster: Cluster) -> None:
    said = run_job(cluster, "who", "python3", "-c", textwrap.dedent(ASK_THE_API_SERVER))
    assert said == f"system:serviceaccount:{cluster.namespace}:default\n"


def test_a_pod_finds_a_service_by_its_name(cluster: Cluster) -> None:
    ask = "import socket; print(socket.gethostbyname('kubernetes.default'))"
    assert run_job(cluster, "names", "python3", "-c", ask).startswith(files.SERVICE_NETWORK.removesuffix("0.0/16"))
