"""Lists of more lines than a Worklist holds: those of an immutable ConfigMap, on a real cluster."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from lists_with_pods import condition, create, results, wait_for_end
from teamtask_command import account

from teamtask.client.answers import ApiError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Cluster, Controller
    from teamtask_command import Teamtask

    from teamtask.sdk import Client

pytestmark = pytest.mark.usefixtures("controller")

HOSTS = [f"host-{number}.example.org" for number in range(3_000)]
SAY_ITS_LINE = 'echo "\\"$TEAMTASK_ITEM\\"" > /dev/termination-log'


def config_map(cluster: Cluster, name: str, *, immutable: bool = True, lines: list[str] = HOSTS) -> None:
    document = {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "immutable": immutable,
        "data": {"hosts.txt": "\n".join(lines)},
    }  # fmt: skip
    cluster.kubectl("create", "-f", "-", given=document)


def source(name: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "lines", "configMap": name, **fields}


def refused(cluster: Cluster, name: str) -> str:
    """Wait until a list is refused; give why."""
    cluster.kubectl("wait", "--for=condition=Accepted=False", f"worklist/{name}", "--timeout=15s")
    return str(condition(cluster.status("worklist", name), "Accepted")["message"])


def accepted(cluster: Cluster, name: str) -> int:
    """Wait until a list is taken; give its size."""
    cluster.kubectl("wait", "--for=condition=Accepted", f"worklist/{name}", "--timeout=15s")
    return int(cluster.status("worklist", name)["size"])


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file of ten thousand lines."""
    path = tmp_path / "hosts.txt"
    path.write_text("".join(f"host-{number}.example.org\n" for number in range(10_000)))
    return str(path)


def test_a_pod_for_each_block_is_given_the_line(cluster: Cluster) -> None:
    config_map(cluster, "pod-hosts")
    create(cluster, "lines-pods", SAY_ITS_LINE, source=source("pod-hosts"), only="0-2,2998-2999")
    status = wait_for_end(cluster, "lines-pods", "Complete")
    assert (status["size"], status["completed"]) == (3_000, "0-2999")
    assert results(cluster, "lines-pods") == {host: host for host in (*HOSTS[:3], *HOSTS[-2:])}


def test_three_thousand_lines_are_worked_by_a_worker_and_are_its_items(cluster: Cluster, teamtask: Teamtask) -> None:
    config_map(cluster, "worker-hosts")
    cluster.create_list("lines-worker", source=source("worker-hosts"), block={"size": 1_500})
    worked = teamtask("work", "lines-worker", "--per-block", "--", "cat")
    assert worked.code == 0, worked.said
    assert sorted(worked.out.splitlines()) == sorted(HOSTS)
    assert cluster.status("worklist", "lines-worker")["completed"] == "0-2999"
    shown = json.loads(teamtask("show", "lines-worker", "-o", "json").out)
    assert (shown["state"], shown["size"], shown["source"]["count"]) == ("complete", 3_000, 3_000)
    assert teamtask("items", "lines-worker").out.splitlines() == HOSTS


def test_a_config_map_that_may_change_is_refused_until_it_may_not(cluster: Cluster) -> None:
    config_map(cluster, "mutable", immutable=False)
    cluster.create_list("lines-mutable", source=source("mutable"))
    said = refused(cluster, "lines-mutable")
    assert "may change" in said
    assert "kubectl patch configmap mutable -p '{\"immutable\": true}'" in said
    cluster.kubectl("patch", "configmap", "mutable", "-p", '{"immutable": true}')
    assert accepted(cluster, "lines-mutable") == 3_000


def test_a_missing_config_map_is_said_and_found_when_it_is_there(cluster: Cluster) -> None:
    cluster.create_list("lines-missing", source=source("late", key="hosts.txt"))
    assert "There is no ConfigMap late" in refused(cluster, "lines-missing")
    config_map(cluster, "late")
    assert accepted(cluster, "lines-missing") == 3_000


def test_a_name_that_leads_elsewhere_is_refused(cluster: Cluster) -> None:
    cluster.create_list("lines-elsewhere", source=source("../secrets/token"))
    assert "is no name of a ConfigMap" in refused(cluster, "lines-elsewhere")


def test_lines_that_were_made_again_as_others_are_refused_by_controllers_and_workers(
    cluster: Cluster, controller: Controller, client: Client
) -> None:
    config_map(cluster, "remade")
    cluster.create_list("lines-remade", source=source("remade"), block={"size": 10})
    assert accepted(cluster, "lines-remade") == 3_000
    cluster.kubectl("delete", "configmap", "remade")
    config_map(cluster, "remade", lines=[*HOSTS[:-1], "another"])
    with pytest.raises(ApiError, match="has other lines than lines-remade was made with"):
        next(iter(client.work("lines-remade")))
    controller.stop()
    controller.start()
    assert "known by its index" in refused(cluster, "lines-remade")
    cluster.kubectl("delete", "configmap", "remade")
    config_map(cluster, "remade")
    assert accepted(cluster, "lines-remade") == 3_000


def test_ten_thousand_lines_of_a_file_make_a_config_map_that_goes_with_the_list(
    cluster: Cluster, teamtask: Teamtask, file: str
) -> None:
    token = account(cluster, "lines-editor", "editor")
    for _ in range(2):  # a name is free when what had it is deleted
        made = teamtask("create", "many-lines", file, "--block-size", "5000", "--token", token)
        assert (made.code, "many-lines: 10000 items" in made.said) == (0, True), made.said
        found = json.loads(cluster.kubectl("get", "configmap", "many-lines-lines", "-o", "json"))
        assert (found["immutable"], found["metadata"]["ownerReferences"][0]["name"]) == (True, "many-lines")
        assert accepted(cluster, "many-lines") == 10_000
        refusals = cluster.kubectl("get", "events", "--field-selector=reason=Invalid")
        assert "many-lines" not in refusals, "the controller waits for it before it says that it misses it"
        again = teamtask("create", "many-lines", file, "--token", token)
        assert (again.code, "There is a Worklist many-lines already" in again.said) == (1, True), again.said
        assert teamtask("items", "many-lines", "9999").out == "host-9999.example.org\n"
        assert teamtask("work", "many-lines", "--per-block", "-q", "--", "true").code == 0
        assert "10 items of many-lines are to be" in teamtask("rerun", "many-lines", "--ranges", "0-9").said
        assert teamtask("rm", "-y", "many-lines", "--token", token).code == 0
    cluster.wait(lambda: "NotFound" in cluster.kubectl("get", "configmap", "many-lines-lines", check=False))


def test_what_is_in_the_way_of_a_list_of_many_lines_is_said_and_nothing_is_made(
    cluster: Cluster, teamtask: Teamtask, client: Client, file: str, tmp_path: Path
) -> None:
    config_map(cluster, "in-the-way-lines")
    taken = teamtask("create", "in-the-way", file)
    assert (taken.code, "There is a ConfigMap in-the-way-lines already" in taken.said) == (1, True), taken.said
    large = tmp_path / "large.txt"
    large.write_text("".join(f"{number:>01000}\n" for number in range(1_100)))
    too_large = teamtask("create", "in-the-way", str(large))
    assert (too_large.code, "1,100 lines with 1,101,100 bytes" in too_large.said) == (1, True), too_large.said
    cluster.kubectl("create", "role", "lists-only", "--verb=*", "--resource=worklists.teamtask.io")
    token = account(cluster, "lists-only", "worker")
    cluster.kubectl(
        *("create", "rolebinding", "lists-only-2", "--role=lists-only"),
        f"--serviceaccount={cluster.namespace}:lists-only",
    )
    unable = teamtask("create", "no-right", file, "--token", token)
    assert (unable.code, 'cannot create resource "configmaps"' in unable.said) == (1, True), unable.said
    for name in ("in-the-way", "no-right"):
        assert "NotFound" in cluster.kubectl("get", "worklist", name, check=False)
    with pytest.raises(ApiError, match="Item 2 is blank, or more than a line"):
        client.create("odd-lines", ["a", "b\nc", *HOSTS])
    made = client.create("sdk-lines", HOSTS, block={"size": 3_000})
    assert (made.size, made.items(2_999, 1)) == (3_000, [HOSTS[-1]])
    for block in client.work("sdk-lines"):
        assert list(block) == HOSTS
        block.done()


def test_a_worker_without_the_right_to_the_lines_is_told_how_to_get_it(cluster: Cluster, teamtask: Teamtask) -> None:
    config_map(cluster, "closed-hosts")
    cluster.create_list("lines-closed", source=source("closed-hosts"), block={"size": 3_000})
    accepted(cluster, "lines-closed")
    token = account(cluster, "lines-worker", "worker")
    for command in (["items"], ["work", "--per-block", "--", "cat"]):
        refusal = teamtask(command[0], "lines-closed", "--token", token, *command[1:])
        assert refusal.code == 1
        assert 'cannot get resource "configmaps"' in refusal.said, refusal.said
        assert "create role closed-hosts --verb=get --resource=configmaps --resource-name=closed-hosts" in refusal.said
    assert cluster.status("worklist", "lines-closed")["activeBlocks"] == 0, "it held nothing up"
    assert teamtask("show", "lines-closed", "--token", token).code == 0
    one_map = ("--verb=get", "--resource=configmaps", "--resource-name=closed-hosts")
    cluster.kubectl("create", "role", "closed-hosts", *one_map)
    worker = f"--serviceaccount={cluster.namespace}:lines-worker"
    cluster.kubectl("create", "rolebinding", "closed-hosts", "--role=closed-hosts", worker)
    worked = teamtask("work", "lines-closed", "--per-block", "--token", token, "--", "wc", "-l")
    assert (worked.code, worked.out.split()) == (0, ["3000"]), worked.said
