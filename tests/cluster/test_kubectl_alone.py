"""A list worked by people with kubectl, on a real API server."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Cluster, Controller

pytestmark = pytest.mark.usefixtures("controller")

TABLE = """\
NAME                           READY   STATUS    RESTARTS   INDEX     SIZE
primenumber-578b4958fc-cvtbm   1/1     Ready     0          0         1000
primenumber-578b4958fc-segcf   1/1     Ready     0          1000      1000
primenumber-578b4958fc-wersw   0/1     Pending   0          Pending   Pending
"""


def test_the_authors_table_is_printed_from_live_objects(cluster: Cluster) -> None:
    cluster.create_list(
        "primenumber", source={"kind": "range", "stop": 10_000}, block={"size": 1_000}, maxActiveBlocks=2
    )
    names = [line.split()[0] for line in TABLE.splitlines()[1:]]
    for name in names[:2]:
        cluster.create_block(name, "primenumber")
        cluster.wait_for_assignment(name, 1)
    cluster.create_block(names[2], "primenumber")
    cluster.wait(lambda: cluster.status("block", names[2]).get("conditions"))
    assert cluster.kubectl("get", "blocks", *names, "-o", "wide") == TABLE
    reason = cluster.status("block", names[2])["conditions"][0]["reason"]
    assert reason == "LimitReached"
    cluster.kubectl("delete", "block", *names)
    cluster.kubectl("delete", "worklist", "primenumber")


def test_two_blocks_made_by_hand_work_a_list_to_its_end(cluster: Cluster) -> None:
    cluster.create_list("hand", source={"kind": "range", "stop": 3_000}, block={"size": 1_000})
    for name in ("left", "right"):
        cluster.create_block(name, "hand")
        cluster.wait_for_assignment(name, 1)
    cluster.report("right", 1, "Completed")
    assert cluster.wait_for_assignment("right", 2)["index"] == 2_000
    assert cluster.status("worklist", "hand")["completed"] == "1000-1999"
    cluster.report("left", 1, "Working", done="0-499")
    cluster.wait(lambda: cluster.status("worklist", "hand")["completed"] == "0-499,1000-1999")
    cluster.report("left", 1, "Completed")
    cluster.report("right", 2, "Completed")
    cluster.kubectl("wait", "--for=condition=Finished", "worklist/hand", "--timeout=20s")
    assert cluster.kubectl("get", "lists", "hand", "--no-headers").split()[:4] == ["hand", "Complete", "3000/3000", "0"]
    assert cluster.status("worklist", "hand")["completed"] == "0-2999"
    cluster.kubectl("delete", "block", "left", "right")


def test_a_controller_that_is_killed_goes_on_from_the_objects(cluster: Cluster, controller: Controller) -> None:
    cluster.create_list("killed-controller", source={"kind": "range", "stop": 400}, block={"size": 100})
    cluster.create_block("mine", "killed-controller")
    sequence = 0
    while (status := cluster.wait_for_status("mine", sequence))["phase"] == "Ready":
        sequence = status["sequence"]
        controller.stop(signal.SIGKILL)
        cluster.report("mine", sequence, "Completed")
        controller.start()
    assert sequence > 1
    cluster.kubectl("wait", "--for=condition=Complete", "worklist/killed-controller", "--timeout=20s")
    status = cluster.status("worklist", "killed-controller")
    assert (status["completed"], status["completedItems"]) == ("0-399", 400)
    cluster.kubectl("delete", "block", "mine")


def test_a_list_that_cannot_be_worked_says_why(cluster: Cluster) -> None:
    cluster.create_list("wrong", source={"kind": "strings", "alphabet": "abc"})
    cluster.kubectl("wait", "--for=condition=Accepted=False", "worklist/wrong", "--timeout=20s")
    accepted = cluster.status("worklist", "wrong")["conditions"][0]
    assert "The field length is missing." in accepted["message"]
    cluster.kubectl("delete", "worklist", "wrong")


def test_what_the_definition_forbids_the_api_server_refuses(cluster: Cluster) -> None:
    for spec, said in (
        ({"source": {"kind": "range", "stop": 5}, "attempts": 0}, "spec.attempts"),
        ({"source": {"kind": "range", "stop": 5}, "block": {"size": -1}}, "spec.block.size"),
        ({}, "spec.source"),
    ):
        metadata = {"name": "refused"}
        document = {"apiVersion": "teamtask.io/v1alpha1", "kind": "Worklist", "metadata": metadata, "spec": spec}
        assert said in cluster.kubectl("create", "-f", "-", given=document, check=False)


def test_every_field_is_explained(cluster: Cluster) -> None:
    assert "handed out again" in cluster.kubectl("explain", "worklist.spec.leaseSeconds")
    assert "number of the assignment" in cluster.kubectl("explain", "block.status.sequence")


def test_the_manifests_in_deploy_are_taken_by_the_api_server(cluster: Cluster) -> None:
    folder = Path(__file__).parents[2] / "deploy" / "kubernetes"
    said = cluster.kubectl("apply", "-k", str(folder), "--dry-run=server")
    assert said.count("(server dry run)") == 10


def test_a_second_controller_stands_by_and_goes_on_when_the_first_is_killed(
    cluster: Cluster, controller: Controller, second: Controller
) -> None:
    cluster.create_list("two", source={"kind": "range", "stop": 30}, block={"size": 10})
    cluster.create_block("mine", "two")
    cluster.wait_for_assignment("mine", 1)
    cluster.wait(lambda: "standing by" in second.said())
    controller.stop(signal.SIGKILL)
    cluster.report("mine", 1, "Completed")
    cluster.wait_for_assignment("mine", 2)
    assert "leading" in second.said()
    before = controller.said().count("standing by")
    controller.start()
    cluster.wait(lambda: controller.said().count("standing by") > before)
    assert second.stop() == 0
    cluster.report("mine", 2, "Completed")
    assert cluster.wait_for_assignment("mine", 3)["index"] == 20, "it let go of the lease"
    cluster.report("mine", 3, "Completed")
    cluster.kubectl("wait", "--for=condition=Complete", "worklist/two", "--timeout=20s")
