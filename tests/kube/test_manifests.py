"""The manifests in deploy/ are what `teamtask crds` prints."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

from make_manifests import manifests  # noqa: E402 - from docs/


def test_the_manifests_are_written_anew_with_the_code() -> None:
    folder = ROOT / "deploy" / "kubernetes"
    assert {path.name: path.read_text() for path in folder.iterdir()} == manifests(), "run docs/make_manifests.py"
