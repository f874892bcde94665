"""Where credentials come from, and what is said where there are none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

NAMES = """
import sys
from teamtask.kube.api_server import ApiServer
from teamtask.kube.kubernetes_error import KubernetesError
if sys.argv[2:]:
    sys.modules["kubernetes"] = None
try:
    print(ApiServer(sys.argv[1] or None).namespace)
except KubernetesError as error:
    print(error, error.hint)
"""


def kubeconfig(folder: Path) -> Path:
    contexts = [
        {"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "primes"}},
        {"name": "two", "context": {"cluster": "c", "user": "u"}},
    ]
    config: dict[str, Any] = {
        "apiVersion": "v1", "kind": "Config", "current-context": "one", "contexts": contexts,
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }  # fmt: skip
    path = folder / "config"
    path.write_text(json.dumps(config))
    return path


def said(folder: Path, context: str = "", *more: str, **environment: str) -> str:
    base = {name: value for name, value in os.environ.items() if not name.startswith(("KUBE", "HOME"))}
    done = subprocess.run(
        [sys.executable, "-c", NAMES, context, *more], env=base | {"HOME": str(folder)} | environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(("context", "namespace"), [("", "primes"), ("one", "primes"), ("two", "default")])
def test_a_namespace_that_is_not_named_is_that_of_the_context(tmp_path: Path, context: str, namespace: str) -> None:
    assert said(tmp_path, context, KUBECONFIG=str(kubeconfig(tmp_path))) == namespace


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = said(tmp_path, "three", KUBECONFIG=str(kubeconfig(tmp_path)))
    assert "three" in text
    assert "kubectl config get-contexts" in text


def test_without_a_kubeconfig_and_a_pod_there_are_no_credentials(tmp_path: Path) -> None:
    assert said(tmp_path).startswith("There are no credentials for Kubernetes:")


def test_without_the_extra_it_is_said_what_to_install(tmp_path: Path) -> None:
    assert "pip install 'teamtask[kubernetes]'" in said(tmp_path, "", "missing")
