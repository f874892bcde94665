"""The page on Kubernetes does what it says, on a real cluster."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from run_page import run_page

if TYPE_CHECKING:
    import pytest
    from conftest import Cluster

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "kubernetes.md"


def test_the_commands_of_the_page_do_what_it_says(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{cluster.program.parent}:{os.environ['PATH']}")
    out = io.StringIO()
    run_page(PAGE, out)
    print(out.getvalue())
    assert "cannot" not in out.getvalue(), "all of it was run"
