"""Making a list of more lines than a Worklist holds, when something comes in between."""

from __future__ import annotations

from typing import Any, cast

import pytest

from teamtask.client.cluster.lists import Lists
from teamtask.client.cluster.owner_calls import OwnerCalls
from teamtask.client.cluster.refusals import NameTaken
from teamtask.client.cluster.worker_block import WorkerBlock
from teamtask.kube.identity import Identity
from teamtask.kube.kubernetes_error import NOT_FOUND, KubernetesError
from teamtask.kube.lines_map import LinesMapRefused, LinesPlace, source_of_map
from teamtask.wire.messages import Exchange, Want
from teamtask.wire.requests import NewList

HOSTS = [f"host-{number}" for number in range(3_000)]
WORKLISTS = "/apis/teamtask.io/v1alpha1/namespaces/numbers/worklists"
MAPS = "/api/v1/namespaces/numbers/configmaps"


class Objects:
    """What an API server keeps; `before` happens before a call that is no trial."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.before: dict[str, Any] = {}
        self.made: list[str] = []

    def call(self, method: str, path: str, body: Any = None, query: dict[str, Any] | None = None) -> dict[str, Any]:
        is_trial = query == {"dryRun": "All"}
        if not is_trial:
            self.before.pop(f"{method} {path}", lambda: None)()
        if method == "POST":
            target = f"{path}/{body['metadata']['name']}"
            if target in self.kept:
                raise KubernetesError("it already exists", 409, reason="AlreadyExists")
            made: dict[str, Any] = body | {"metadata": body["metadata"] | {"uid": f"uid of {target}"}}
            if not is_trial:
                self.kept[target] = made
                self.made.append(target)
            return made
        if path not in self.kept:
            raise KubernetesError("it is not there", NOT_FOUND, reason="NotFound")
        return self.kept.pop(path) if method == "DELETE" else self.kept[path]


def create(server: Objects, name: str = "hosts") -> Lists:
    lists = Lists(cast("Any", server), "numbers")
    OwnerCalls(lists).create(NewList(name=name, source={"kind": "lines", "items": HOSTS}))
    return lists


def test_the_list_is_made_first_and_owns_its_config_map() -> None:
    server = Objects()
    lists = create(server)
    assert server.made == [f"{WORKLISTS}/hosts", f"{MAPS}/hosts-lines"]
    (owner,) = server.kept[f"{MAPS}/hosts-lines"]["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Worklist", f"uid of {WORKLISTS}/hosts")
    assert lists.read("hosts").source is not None, "who made it need not read it"


def test_where_the_config_map_cannot_be_made_the_list_goes_again() -> None:
    def refuse() -> None:
        raise KubernetesError("exceeded quota", 403, reason="Forbidden")

    server = Objects()
    server.before[f"POST {MAPS}"] = refuse
    with pytest.raises(KubernetesError, match="exceeded quota"):
        create(server)
    assert server.kept == {}


def test_whoever_is_interrupted_leaves_nothing() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    server = Objects()
    server.before[f"POST {MAPS}"] = interrupt
    with pytest.raises(KeyboardInterrupt):
        create(server)
    assert server.kept == {}


def test_the_config_map_of_a_list_that_was_just_deleted_is_waited_for() -> None:
    server = Objects()
    create(server)
    server.kept.pop(f"{WORKLISTS}/hosts")
    server.before[f"GET {MAPS}/hosts-lines"] = lambda: server.kept.pop(f"{MAPS}/hosts-lines")
    create(server)
    assert len(server.made) == 4


def test_the_config_map_of_somebody_else_is_left_alone() -> None:
    server = Objects()
    theirs = {"metadata": {"name": "hosts-lines"}, "data": {}}
    server.kept[f"{MAPS}/hosts-lines"] = theirs
    with pytest.raises(NameTaken, match="There is a ConfigMap hosts-lines already"):
        create(server)
    assert server.kept == {f"{MAPS}/hosts-lines": theirs}


def test_lines_that_are_not_those_of_the_list_are_refused_and_read_again() -> None:
    server = Objects()
    create(server)
    right = server.kept[f"{MAPS}/hosts-lines"]
    worklist = server.kept[f"{WORKLISTS}/hosts"]
    source = Lists(cast("Any", server), "numbers")
    found = source.source_of(source.read("hosts"))
    assert found is not None
    worklist["status"] = {"fingerprint": f"0:{found.fingerprint}", "size": 3_000}
    server.kept[f"{MAPS}/hosts-lines"] = right | {"data": {"lines": "others\n"}}
    lists = Lists(cast("Any", server), "numbers")
    with pytest.raises(LinesMapRefused, match="has other lines than hosts was made with"):
        lists.source_of(lists.read("hosts"))
    server.kept[f"{MAPS}/hosts-lines"] = right
    again = lists.source_of(lists.read("hosts"))
    assert again is not None
    assert again.item(2_999) == "host-2999"


class Busy:
    """An API server on which a list and a block are assigned at once, and a ConfigMap cannot be read the first time."""

    def __init__(self) -> None:
        self.config_map = {"metadata": {"name": "hosts"}, "immutable": True, "data": {"any": "a\nb\nc\n"}}
        self.status: dict[str, Any] = {}
        self.failures = 1

    def call(self, method: str, path: str, body: Any = None, *_: Any) -> dict[str, Any]:
        if path == f"{WORKLISTS}/hosts":
            metadata = {"name": "hosts", "namespace": "numbers", "uid": "w", "resourceVersion": "1"}
            return {
                "metadata": metadata,
                "spec": {"source": {"kind": "lines", "configMap": "hosts"}},
                "status": self.status,
            }
        if path.startswith(MAPS):
            self.failures -= 1
            if self.failures == 0:
                raise KubernetesError("etcd has another leader", 503)
            return self.config_map
        assert method == "POST"
        lines = source_of_map(self.config_map, LinesPlace("hosts", None))
        self.status = {"fingerprint": f"0:{lines.fingerprint}", "size": 3, "phase": "Running"}
        assigned = {"assignments": [{"index": 0, "size": 3}], "index": 0, "size": 3}
        return {
            "metadata": {"name": "b", "namespace": "numbers", "uid": "b", "resourceVersion": "2", "generation": 1},
            "spec": body["spec"],
            "status": {"phase": "Ready", "sequence": 1, "observedGeneration": 1, "worklistUid": "w", **assigned},
        }


def test_an_assignment_whose_lines_could_not_be_read_at_once_is_taken_the_next_time() -> None:
    worker = WorkerBlock(Lists(cast("Any", Busy()), "numbers"), Identity("somebody", ()), "hosts", "worker")
    wish = Exchange(worker="worker", want=Want(items=True))
    with pytest.raises(KubernetesError, match="another leader"):
        worker.exchange(wish)
    (lease,) = worker.exchange(wish).leases
    assert lease.items == ("a", "b", "c")
