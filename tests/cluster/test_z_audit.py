"""The last of all: what the tests before it did used every right that our roles grant, and controllers lacked none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import audited
import files
import pytest

from teamtask.kube.roles import roles

if TYPE_CHECKING:
    from conftest import Cluster

REMEMBERED = "teamtask/audited-namespaces"


@pytest.fixture(scope="module")
def log(request: pytest.FixtureRequest, cluster: Cluster) -> audited.Audited:
    """Give the log of this run. When what failed is run once more, the run before it counts too: it was whole."""
    if not files.is_ours():
        pytest.skip("the audit log is looked at on the cluster of `make cluster` alone")
    whole = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    cache, options = request.config.cache, request.config.option
    assert cache is not None
    before = list(cache.get(REMEMBERED, []))
    if options.lf and before:
        namespaces = [*before, cluster.namespace]
    elif {item.path.name for item in request.session.items} >= whole and not (options.keyword or options.markexpr):
        namespaces = [cluster.namespace]
    else:
        pytest.skip("only some of the tests on a cluster were run: `make test-cluster` runs all, of which this is said")
    cache.set(REMEMBERED, namespaces)
    return audited.audited(namespaces)


@pytest.mark.parametrize("role", ["controller", "worker"])
def test_every_right_that_a_role_grants_was_used(log: audited.Audited, role: str) -> None:
    (rules,) = [one["rules"] for one in roles() if one["metadata"]["name"] == f"teamtask-{role}"]
    granted = {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted - log.used.get(role, set()) == set()


MEANT = ("exceeded quota", "says no.")  # by quotas, and by policies that the tests make


def test_nothing_was_refused_to_a_controller_but_what_tests_have_refused(log: audited.Audited) -> None:
    refused = log.refused_to_controllers()
    assert [said for said in refused if not any(words in said for words in MEANT)] == []
