"""The pages on Kubernetes do what they say, on a real cluster."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import files
import images
import pytest
from run_page import run_page

if TYPE_CHECKING:
    from conftest import Cluster

DOCS = Path(__file__).parents[2] / "docs"
IMAGE_OF_THE_PAGE = "registry.example/teamtask:1"
DEBIAN = "docker.io/library/debian:12-slim"  # what a page names; it is pulled where there is a registry


def run_all_of(page: str) -> None:
    """Run a page, of which nothing may be left out."""
    out = io.StringIO()
    try:
        run_page(DOCS / page, out)
    finally:
        print(out.getvalue())
    assert "this machine cannot" not in out.getvalue(), "all of it was run"


@pytest.fixture(autouse=True)
def _path(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{cluster.program.parent}:{os.environ['PATH']}")


@pytest.fixture
def _debian(cluster: Cluster) -> None:
    """Have the small Debian of the test cluster under the name that a page uses."""
    if cluster and files.is_ours():
        images.tag(images.BASE, DEBIAN)


@pytest.mark.usefixtures("_debian")
@pytest.mark.parametrize(
    "page",
    [
        "tutorial/kubernetes.md",
        "howto/kubernetes.md",
        "howto/kubernetes-workers.md",
        "howto/kubernetes-pods.md",
        "howto/kubernetes-quotas.md",
        "howto/kubernetes-access.md",
    ],
)
def test_the_commands_of_a_page_do_what_it_says(page: str) -> None:
    run_all_of(page)


@pytest.mark.skipif(not files.is_ours(), reason="the page's image is given to the cluster of `make cluster` alone")
def test_the_page_on_containers_does_what_it_says(
    cluster: Cluster, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    images.tag(image, IMAGE_OF_THE_PAGE)
    monkeypatch.setenv("HAS_IMAGE", "1")
    try:
        run_all_of("howto/containers.md")
    finally:
        cluster.kubectl("delete", "namespace", "lists", "--ignore-not-found", "--wait=false")
