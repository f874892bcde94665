"""The lock file: complete, and free of addresses."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)(?: ;.*)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE)

CONSTRAINTS = (ROOT / "constraints.txt").read_text()


def declared() -> list[Requirement]:
    """Everything that pyproject.toml asks for, in all groups."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [project["project"]["dependencies"], project["build-system"]["requires"]]
    groups += project["dependency-groups"].values()
    groups += project["project"].get("optional-dependencies", {}).values()
    return [Requirement(line) for group in groups for line in group]


def test_every_declared_dependency_is_pinned_at_a_version_that_fits() -> None:
    pins = {name: version for name, version, _ in PIN.findall(CONSTRAINTS)}
    unfit = [
        str(requirement)
        for requirement in declared()
        if not requirement.specifier.contains(pins.get(canonicalize_name(requirement.name), "0"))
    ]
    assert unfit == [], "type: make lock"


def test_every_pin_has_a_hash() -> None:
    pinned = re.findall(r"^([a-z0-9-]+)==", CONSTRAINTS, re.MULTILINE)
    assert pinned == [name for name, _, _ in PIN.findall(CONSTRAINTS)]


def test_the_lock_file_names_no_address() -> None:
    assert "://" not in CONSTRAINTS
    assert "index-url" not in CONSTRAINTS
