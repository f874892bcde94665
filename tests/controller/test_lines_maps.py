"""Lists whose lines are in ConfigMaps: read once, refused with a reason, looked at again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from msgspec.structs import replace
from objects_in_memory import Objects

from teamtask.controller import lines_maps as lines_maps_module
from teamtask.controller.lines_maps import LinesMaps
from teamtask.controller.reconcile import begin, check_source
from teamtask.controller.restored import OtherSource, source_of
from teamtask.kube import objects as o
from teamtask.kube.kubernetes_error import NOT_FOUND, KubernetesError
from teamtask.kube.lines_map import LinesMapMissing, LinesMapRefused
from teamtask.ledger.errors import InvalidField, InvalidSource

if TYPE_CHECKING:
    from teamtask.kube.api_server import ApiServer

KEY = ("numbers", "list")
HOSTS = [f"host-{number}" for number in range(3_000)]


class Maps:
    """The ConfigMaps of an API server, and how often one was asked for."""

    def __init__(self, **lines: list[str]) -> None:
        self.lines = lines
        self.immutable = True
        self.calls: list[str] = []

    def call(self, method: str, path: str) -> dict[str, Any]:
        name = path.rpartition("/")[2]
        self.calls.append(f"{method} {path}")
        if name not in self.lines:
            raise KubernetesError("configmaps not found", NOT_FOUND, reason="NotFound")
        return {"kind": "ConfigMap", "immutable": self.immutable, "data": {"any": "\n".join(self.lines[name])}}


def the_list(**source: Any) -> Objects:
    objects = Objects(source={"kind": "lines", "configMap": "hosts"} | source, block={"size": 100})
    objects.worklist = replace(objects.worklist, metadata=replace(objects.worklist.metadata, namespace="numbers"))
    return objects


def lines_maps(maps: Maps) -> LinesMaps:
    return LinesMaps(cast("ApiServer", maps))


def refused(lines: LinesMaps, worklist: o.Worklist, now: float) -> tuple[str, float | None, bool]:
    """Give with what words a list is refused, when it is looked at again, and whether it may be on its way."""
    with pytest.raises(InvalidSource) as error:
        lines.resolved(KEY, worklist, now)
    again = lines.again_seconds(KEY, error.value, now)
    return str(error.value), again, lines.is_on_its_way(KEY, error.value)


def test_a_list_is_worked_with_the_lines_and_they_are_read_once() -> None:
    maps, objects = Maps(hosts=HOSTS), the_list(shuffle=3)
    lines, plain = lines_maps(maps), objects.worklist
    objects.worklist = lines.resolved(KEY, plain, 0.0)
    objects.create("me")
    objects.reconcile()
    assert (objects.worklist.status.size, objects.blocks["me"].status.size) == (3_000, 100)
    item = source_of(objects.worklist.spec).item(0)
    objects.report("me", "Completed")
    objects.reconcile()
    objects.worklist = replace(objects.worklist, spec=plain.spec)  # as the API server shows it again
    objects.worklist = lines.resolved(KEY, objects.worklist, 60.0)
    objects.working = None  # a write failed
    objects.reconcile()
    assert objects.worklist.status.completed == "0-99"
    assert (item in HOSTS, item == HOSTS[0]) == (True, False)
    assert maps.calls == ["GET /api/v1/namespaces/numbers/configmaps/hosts"]


def test_a_result_has_its_line() -> None:
    objects = the_list()
    objects.worklist = lines_maps(Maps(hosts=HOSTS)).resolved(KEY, objects.worklist, 0.0)
    objects.create("me")
    objects.reconcile()
    objects.report("me", "Completed", results=[o.ReportedResult(7, "up")])
    objects.reconcile()
    assert json.loads(objects.results["7"])["item"] == "host-7"


def test_the_same_list_is_taken_for_the_same_without_looking_at_its_lines() -> None:
    lines, worklist = lines_maps(Maps(hosts=HOSTS)), the_list().worklist
    first, again = (lines.resolved(KEY, worklist, 0.0) for _ in range(2))
    assert first.spec.source is again.spec.source
    assert first.spec.source == {"kind": "lines", "count": 3_000, "fingerprint": source_of(first.spec).fingerprint}


def test_a_list_of_any_other_source_is_left_as_it_is() -> None:
    maps, worklist = Maps(), Objects(source={"kind": "range", "stop": 3}).worklist
    assert lines_maps(maps).resolved(KEY, worklist, 0.0) is worklist
    assert maps.calls == []


def test_what_looks_like_lines_that_were_read_is_refused_in_a_spec() -> None:
    source = {"kind": "lines", "count": 3, "fingerprint": f"3:{'0' * 32}"}
    with pytest.raises(InvalidSource, match="not here"):
        begin(lines_maps(Maps()).resolved(KEY, Objects(source=source).worklist, 0.0), [], {}, 0.0)


def test_a_missing_config_map_is_waited_for_then_said_and_looked_for_less_and_less_often() -> None:
    maps, worklist = Maps(), the_list().worklist
    lines = lines_maps(maps)
    assert refused(lines, worklist, 0.0) == ("There is no ConfigMap hosts, which is to have the lines.", 1.0, True)
    assert refused(lines, worklist, 0.5)[1:] == (0.5, True)
    assert len(maps.calls) == 1, "nobody asks before it is time"
    now, waits = 1.0, []
    for _ in range(6):
        _, again, is_on_its_way = refused(lines, worklist, now)
        assert (again is None, is_on_its_way) == (False, False)
        waits.append(again)
        now += again or 0.0
    assert waits == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0]
    maps.lines["hosts"] = HOSTS
    assert source_of(lines.resolved(KEY, worklist, now).spec).size == 3_000


def test_a_config_map_that_may_change_is_refused_at_once_and_taken_when_it_no_longer_may() -> None:
    maps, worklist = Maps(hosts=HOSTS), the_list().worklist
    lines, maps.immutable = lines_maps(maps), False
    said, again, is_on_its_way = refused(lines, worklist, 0.0)
    assert ("may change" in said, again, is_on_its_way) == (True, 1.0, False)
    maps.immutable = True
    assert source_of(lines.resolved(KEY, worklist, 1.0).spec).size == 3_000


def test_another_source_is_looked_at_at_once() -> None:
    objects, lines = the_list(), lines_maps(Maps(others=HOSTS))
    refused(lines, objects.worklist, 0.0)
    objects.change(source={"kind": "lines", "configMap": "others"})
    assert source_of(lines.resolved(KEY, objects.worklist, 0.1).spec).size == 3_000


def test_a_config_map_that_was_made_again_with_other_lines_is_refused_until_the_old_ones_are_back() -> None:
    maps, objects = Maps(hosts=HOSTS), the_list()
    plain = objects.worklist
    objects.worklist = lines_maps(maps).resolved(KEY, plain, 0.0)
    objects.reconcile()
    worklist = replace(plain, status=objects.worklist.status)
    maps.lines["hosts"] = [*HOSTS[:-1], "another"]
    after = lines_maps(maps)  # of another controller
    with pytest.raises(OtherSource) as error:
        begin(after.resolved(KEY, worklist, 0.0), [], {}, 0.0)
    assert after.again_seconds(KEY, error.value, 0.0) == 1.0
    with pytest.raises(OtherSource):
        after.resolved(KEY, worklist, 0.5)
    maps.lines["hosts"] = HOSTS
    begin(after.resolved(KEY, worklist, 1.0), [], {}, 1.0)


def test_the_same_lines_may_move_to_another_config_map_while_they_are_worked() -> None:
    objects, lines = the_list(), lines_maps(Maps(hosts=HOSTS, others=HOSTS, more=[*HOSTS, "more"]))
    plain = objects.worklist
    working = begin(lines.resolved(KEY, plain, 0.0), [], {}, 0.0)
    objects.change(source={"kind": "lines", "configMap": "others"})
    check_source(working, lines.resolved(KEY, objects.worklist, 1.0))
    objects.change(source={"kind": "lines", "configMap": "more"})
    with pytest.raises(OtherSource):
        check_source(working, lines.resolved(KEY, objects.worklist, 2.0))


def test_a_list_that_is_deleted_and_made_again_is_read_again() -> None:
    maps, objects = Maps(hosts=HOSTS), the_list()
    lines = lines_maps(maps)
    lines.resolved(KEY, objects.worklist, 0.0)
    objects.recreate()
    lines.resolved(KEY, objects.worklist, 0.0)
    assert len(maps.calls) == 2


def test_trouble_that_is_not_of_the_lines_waits_for_a_change() -> None:
    lines, worklist = lines_maps(Maps(hosts=HOSTS)), the_list().worklist
    lines.resolved(KEY, worklist, 0.0)
    assert lines.again_seconds(KEY, InvalidField("Something else."), 0.0) is None
    assert lines.again_seconds(("other", "list"), LinesMapRefused(), 0.0) is None
    assert not lines.is_on_its_way(KEY, LinesMapMissing()), "it was there"


def test_lines_of_lists_that_are_more_than_a_controller_holds_are_refused_until_others_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines_maps_module, "LINES_BYTES_MAX", 60_000)
    lines = lines_maps(Maps(hosts=HOSTS))
    assert lines.resolved(("numbers", "other"), the_list().worklist, 0.0).spec.source["count"] == len(HOSTS)
    words, again, _ = refused(lines, the_list().worklist, 0.0)
    assert ("no room" in words, again) == (True, 1.0)
    lines.forget(("numbers", "other"))
    assert lines.resolved(KEY, the_list().worklist, 1.0).spec.source["count"] == len(HOSTS)


def test_a_source_that_is_wrong_in_any_way_is_not_read_in_every_pass() -> None:
    maps = Maps(hosts=HOSTS)
    lines = lines_maps(maps)
    wrong = the_list(shuffle="x" * 10_000).worklist
    for tenth in range(10):
        with pytest.raises(InvalidSource) as error:
            lines.resolved(KEY, wrong, tenth / 20)
        lines.again_seconds(KEY, error.value, tenth / 20)
    assert len(maps.calls) <= 1
