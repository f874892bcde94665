"""The pages on Kubernetes do what they say, on a real cluster."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from run_page import run_page

if TYPE_CHECKING:
    from conftest import Cluster

PAGES = Path(__file__).parents[2] / "docs" / "howto"


@pytest.mark.parametrize("page", ["kubernetes.md", "kubernetes-workers.md"])
def test_the_commands_of_a_page_do_what_it_says(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    monkeypatch.setenv("PATH", f"{cluster.program.parent}:{os.environ['PATH']}")
    out = io.StringIO()
    run_page(PAGES / page, out)
    print(out.getvalue())
    assert "this machine cannot" not in out.getvalue(), "all of it was run"
