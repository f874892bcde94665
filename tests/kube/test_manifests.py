"""The manifests in deploy/ are what `teamtask crds` prints."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

from make_manifests import manifests  # noqa: E402 - from docs/

from teamtask.kube.policies import policies  # noqa: E402


def test_the_manifests_are_written_anew_with_the_code() -> None:
    folder = ROOT / "deploy" / "kubernetes"
    assert {path.name: path.read_text() for path in folder.iterdir()} == manifests(), "run docs/make_manifests.py"


def test_all_that_the_api_server_refuses_is_on_the_page_on_access() -> None:
    page = (ROOT / "docs" / "howto" / "kubernetes-access.md").read_text()
    table = page.partition("| refused is |")[2].partition("\n\n")[0].splitlines()[2:]
    told = tuple(line.split("|")[2].strip() for line in table)
    refusals = [one["message"] for policy in policies() for one in policy["spec"].get("validations", [])]
    assert [refusal for refusal in refusals if not refusal.startswith(told) and refusal not in page] == []
    assert [words for words in told if not any(refusal.startswith(words) for refusal in refusals)] == []
