"""What a person is told of lists: events in `kubectl describe`, and metrics."""

from __future__ import annotations

import re
import urllib.request
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Cluster, Controller


def events_of(cluster: Cluster, name: str) -> list[str]:
    columns = "jsonpath={range .items[*]}{.type} {.reason} {.message}{'\\n'}{end}"
    selector = f"involvedObject.name={name}"
    return cluster.kubectl("get", "events", f"--field-selector={selector}", "-o", columns).splitlines()


@pytest.mark.usefixtures("controller")
def test_describe_tells_the_story_of_a_list(cluster: Cluster) -> None:
    cluster.create_list(
        "story", source={"kind": "range", "stop": 2}, block={"size": 1}, attempts=1, leaseSeconds=6, maxParked=5
    )
    cluster.create_block("silent", "story")
    cluster.wait_for_assignment("silent", 1)
    cluster.wait(lambda: cluster.status("block", "silent")["phase"] == "Expired")
    cluster.create_block("talking", "story")
    cluster.wait_for_assignment("talking", 1)
    sequence = 0
    while (status := cluster.wait_for_status("talking", sequence))["phase"] == "Ready":
        sequence = status["sequence"]
        cluster.report("talking", sequence, "Failed", message="it does not answer")
    cluster.wait(lambda: len(events_of(cluster, "story")) >= 6)
    told = "\n".join(events_of(cluster, "story"))
    for line in (
        "Normal Accepted It has 2 items.",
        "Warning BlockExpired silent was not heard of in time: ., 1 items, is handed out again.",
        "Warning ItemParked Item . could not be worked: it does not answer",
        "Warning Failed 2 items could not be worked.",
        "Normal Finished",
    ):
        assert re.search(line, told), told
    described = cluster.kubectl("describe", "worklist", "story")
    assert "ItemParked" in described
    cluster.kubectl("delete", "block", "silent", "talking")
    cluster.kubectl("delete", "worklist", "story")


def test_metrics_and_health_are_served_by_who_leads_and_who_stands_by(
    cluster: Cluster, account: Path, controller: Controller, tmp_path: Path
) -> None:
    cluster.create_list("counted", source={"kind": "range", "stop": 7})
    second = type(controller)(cluster.namespace, account, tmp_path / "log", "--metrics-bind", "127.0.0.1:0")
    try:
        cluster.wait(lambda: "/metrics" in second.said())
        address = re.search(r"http://\S+", second.said())
        assert address is not None

        def asked(path: str) -> str:
            with urllib.request.urlopen(address[0].replace("/metrics", path), timeout=5) as answer:  # noqa: S310 - ours
                return str(answer.read().decode())

        assert asked("/healthz") == "ok\n"
        assert "teamtask_controller_leading 0.0" in asked("/metrics")
        assert controller.stop() == 0
        cluster.wait(lambda: "teamtask_controller_leading 1.0" in asked("/metrics"))
        remaining = f'teamtask_list_remaining_items{{list="counted",namespace="{cluster.namespace}"}} 7.0'
        cluster.wait(lambda: remaining in asked("/metrics"))
        assert asked("/healthz") == "ok\n"
    finally:
        assert second.stop() == 0
        led = controller.said().count("leading")
        controller.start()
        cluster.wait(lambda: controller.said().count("leading") > led)
    cluster.kubectl("delete", "worklist", "counted")
