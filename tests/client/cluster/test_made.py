"""What the web API's calls make of a Worklist."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from teamtask.client.cluster.address import ClusterAddress, cluster_address
from teamtask.client.cluster.kept_lines import kept_lines
from teamtask.client.cluster.made import grown, patch_of, worklist_of
from teamtask.client.cluster.refusals import NotInKubernetes, refusal_of
from teamtask.client.cluster.watched_block import block_document, block_name
from teamtask.kube import objects as o
from teamtask.kube.identity import Identity
from teamtask.kube.kubernetes_error import KubernetesError
from teamtask.kube.lines_map import lines_place, source_of_map
from teamtask.ledger.errors import InvalidField, InvalidSource, TeamtaskError, TooMany
from teamtask.wire.requests import ListChange, NewList

RANGE = {"kind": "range", "start": 0, "stop": 10}


def made(**fields: Any) -> dict[str, Any]:
    return worklist_of(msgspec.convert({"name": "primes", "source": RANGE} | fields, NewList))


def patch(labels_now: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    return patch_of(msgspec.convert(fields, ListChange), labels_now or {})


def test_options_become_fields_of_the_spec() -> None:
    document = made(
        start=5, block={"seconds": 10, "max": 100}, lease_seconds=30, attempts=5, fold="count", stop_after_results=3,
        limits={"blocks_per_worker": 1, "blocks_per_principal": 4, "workers": 20, "items_per_second": 2.5, "parked": 9},
        priority=-3, weight=2.5, labels={"team": "maths"},
    )  # fmt: skip
    assert document == {
        "apiVersion": "teamtask.io/v1alpha1",
        "kind": "Worklist",
        "metadata": {"name": "primes", "labels": {"team": "maths"}},
        "spec": {
            "source": RANGE, "startIndex": 5, "block": {"seconds": 10.0, "max": 100}, "leaseSeconds": 30.0,
            "attempts": 5, "fold": "count", "stopAfterResults": 3, "blocksPerHolder": 4, "maxActiveBlocks": 20,
            "itemsPerSecond": 2.5, "maxParked": 9, "priority": -3, "weight": 2.5,
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("item_seconds", 5.0, "item_seconds"),
        ("roles", {"worker": ["everyone"]}, "roles"),
        ("limits", {"blocks_per_worker": 4}, "limits.blocks_per_worker"),
        ("limits", {"workers_per_principal": 4}, "limits.workers_per_principal"),
    ],
)
def test_what_a_worklist_cannot_hold_is_named(field: str, value: Any, named: str) -> None:
    for call in (made, patch):
        with pytest.raises(NotInKubernetes) as error:
            call(**{field: value})
        assert error.value.field == named


@pytest.mark.parametrize("name", ["Primes", "-a", "a_b", "a."])
def test_a_name_that_kubernetes_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(InvalidField, match="no name of an object"):
        made(name=name)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"source": {"kind": "range"}}, InvalidSource),
        ({"block": {"size": 5, "seconds": 3}}, InvalidField),
        ({"block": {"size": 0}}, InvalidField),
        ({"start": 2**53}, InvalidField),
        ({"fold": "median"}, InvalidField),
        ({"source": {"kind": "lines", "items": ["x", 1]}}, InvalidSource),
    ],
)
def test_what_no_list_may_be_is_refused(fields: dict[str, Any], kind: type[TeamtaskError]) -> None:
    with pytest.raises(kind):
        made(**fields)


def test_lines_are_kept_in_the_object_as_far_as_they_fit() -> None:
    few = ["a", "b"]
    assert kept_lines("hosts", {"kind": "lines", "shuffle": 1}, few) == (
        {"kind": "lines", "shuffle": 1, "items": few}, None,
    )  # fmt: skip


@pytest.mark.parametrize("lines", [[f"host-{number}" for number in range(1_001)], ["x" * 1_000] * 300])
def test_more_lines_are_those_of_a_config_map(lines: list[str]) -> None:
    source, config_map = kept_lines("hosts", {"kind": "lines", "shuffle": 1, "items": lines}, lines)
    assert source == {"kind": "lines", "shuffle": 1, "configMap": "hosts-lines"}
    assert config_map is not None
    assert (config_map["metadata"], config_map["immutable"]) == ({"name": "hosts-lines"}, True)
    place = lines_place({"kind": "lines", "configMap": "hosts-lines"})
    assert place is not None
    assert list(source_of_map(config_map, place).items(0, len(lines))) == lines


def test_lines_that_no_object_of_kubernetes_holds_are_refused_with_the_numbers() -> None:
    with pytest.raises(TooMany, match=r"at most: these are 1,500 lines with 1,501,500") as error:
        kept_lines("hosts", {"kind": "lines"}, ["x" * 1_000] * 1_500)
    assert error.value.field == "source.items"


@pytest.mark.parametrize("odd", ["", "  ", "two\nlines", "carriage\r"])
def test_what_would_not_come_back_as_it_is_from_a_config_map_is_refused(odd: str) -> None:
    with pytest.raises(InvalidSource, match="Item 2 is blank, or more than a line"):
        kept_lines("hosts", {"kind": "lines"}, ["a", odd, *["b"] * 1_000])


def test_a_list_whose_config_map_would_have_too_long_a_name_is_refused() -> None:
    with pytest.raises(InvalidField, match="cannot be named"):
        kept_lines("a" * 250, {"kind": "lines"}, ["b"] * 1_001)


def test_a_range_grows_and_nothing_else_does() -> None:
    def spec(source: dict[str, Any]) -> o.WorklistSpec:
        return o.WorklistSpec(source)

    assert grown(spec({"kind": "range", "start": 2, "stop": 12, "step": 2}), 7) == ({"source": {"stop": 16}}, 2)
    assert grown(spec({"kind": "range", "stop": 3}), 3) == ({"source": {"stop": 3}}, 0)
    for source in ({"kind": "lines", "items": ["a"]}, {"kind": "range", "stop": 3, "shuffle": 1}):
        with pytest.raises(NotInKubernetes):
            grown(spec(source), 5)
    for size in (2, 2**53):
        with pytest.raises(InvalidField):
            grown(spec({"kind": "range", "stop": 3}), size)


def test_a_change_is_a_merge_patch_that_takes_away_what_no_longer_holds() -> None:
    assert patch(block={"size": 7}, limits={"items_per_second": None}, attempts=2, stop_after_results=None) == {
        "spec": {
            "block": {"size": 7, "seconds": None, "max": None},
            "itemsPerSecond": None,
            "attempts": 2,
            "stopAfterResults": None,
        }
    }
    assert patch({"a": "1", "b": "2"}, labels={"b": "3"}) == {"metadata": {"labels": {"a": None, "b": "3"}}}
    assert patch() == {}


@pytest.mark.parametrize(
    ("url", "context", "namespace"),
    [
        ("k8s://", None, None),
        ("k8s:///primes", None, "primes"),
        ("k8s://staging", "staging", None),
        ("k8s://staging/primes", "staging", "primes"),
        ("k8s://arn:aws:eks:eu:1:cluster/one/primes", "arn:aws:eks:eu:1:cluster/one", "primes"),
        ("k8s://arn:aws:eks:eu:1:cluster/one/", "arn:aws:eks:eu:1:cluster/one", None),
        ("k8s://a%20b/primes", "a b", "primes"),
    ],
)
def test_an_address_names_a_context_and_a_namespace(url: str, context: str | None, namespace: str | None) -> None:
    assert cluster_address(url) == ClusterAddress(context, namespace)


@pytest.mark.parametrize("url", ["k8s:primes", "k8s:/a/b", "k8s:///Primes", "k8s://a/b_c", "k8s://a/b\n"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidField) as error:
        cluster_address(url)
    assert error.value.field == "url"


def test_a_block_of_a_pod_has_its_name_and_goes_with_it() -> None:
    identity = Identity("system:serviceaccount:ns:one", ("system:serviceaccounts",), "pod-a", "uid-a", "ns")
    document = block_document("ns", identity, "primes", "host/1")
    assert document["metadata"] == {
        "name": "pod-a",
        "finalizers": ["teamtask.io/uncounted"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "pod-a", "uid": "uid-a"}],
    }
    assert document["spec"] == {
        "listRef": {"name": "primes"}, "holder": identity.user, "holderGroups": ["system:serviceaccounts"],
        "holderPod": "pod-a",
    }  # fmt: skip
    elsewhere = block_document("other", identity, "primes", "host/1")
    assert "ownerReferences" not in elsewhere["metadata"], "an owner is of the same namespace"


def test_a_block_of_no_pod_is_named_after_list_and_worker() -> None:
    document = block_document("ns", Identity("admin"), "primes", "Host.example.org/1234")
    name = document["metadata"]["name"]
    assert name.startswith("primes-host-example-org-1234-")
    assert document["spec"] == {"listRef": {"name": "primes"}, "holder": "admin", "holderGroups": []}
    assert len(block_name("l" * 100, "w" * 100)) <= 63
    assert block_name("a", "___") != block_name("a", "___"), "no two have one name"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (KubernetesError("no", 403, reason="Forbidden"), 403, "forbidden"),
        (KubernetesError("no", 401, reason="Unauthorized"), 401, "unauthorized"),
        (KubernetesError("no", 404), 404, "not_installed"),
        (KubernetesError("no", 404, reason="NotFound"), 404, "not_found"),
        (KubernetesError("no", 422, reason="Invalid"), 422, "invalid_field"),
        (KubernetesError("no", 429), 429, "overloaded"),
        (KubernetesError("no", 500), 503, "kubernetes"),
        (NotInKubernetes("no", field="priority"), 422, "not_in_kubernetes"),
    ],
)
def test_refusals_have_the_codes_of_the_web_api(error: TeamtaskError, status: int, code: str) -> None:
    found: Any = refusal_of(error)
    assert (found.status, found.code, found.field) == (status, code, error.field)


def test_an_api_server_that_is_away_is_tried_again() -> None:
    assert refusal_of(KubernetesError("away")).may_pass(repeats=True)
    assert refusal_of(KubernetesError("busy", 429)).may_pass(repeats=False)
    assert refusal_of(KubernetesError("down", 503)).may_pass(repeats=True)
    assert not refusal_of(KubernetesError("no", 403)).may_pass(repeats=True)
