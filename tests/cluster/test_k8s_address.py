"""Lists in Kubernetes, created, worked and read by the command line and the SDK through k8s:// addresses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from teamtask_command import DONE_SECONDS, account

from teamtask.client.answers import ApiError
from teamtask.kube.kubernetes_error import KubernetesError
from teamtask.sdk import Client
from teamtask.sources import range as numbers

if TYPE_CHECKING:
    from conftest import Cluster
    from teamtask_command import Teamtask

pytestmark = pytest.mark.usefixtures("controller")


def blocks_of(cluster: Cluster, name: str) -> list[dict[str, Any]]:
    found = json.loads(cluster.kubectl("get", "blocks", "-o", "json"))["items"]
    return [block for block in found if block["spec"]["listRef"]["name"] == name]


def test_two_commands_and_a_loop_of_python_work_a_list_to_its_end(
    cluster: Cluster, teamtask: Teamtask, client: Client
) -> None:
    made = teamtask("create", "shared", "--range", "0:120", "--block-size", "5", "--label", "team=maths")
    assert made.code == 0, made.said
    assert f"Created shared at {teamtask.url}" in made.said
    teamtask("pause", "shared")  # until all are there
    workers = [teamtask.start("work", "shared", "--quiet", "--", "sh", "-c", "sleep 0.05; echo {}") for _ in range(2)]
    cluster.wait(lambda: len(blocks_of(cluster, "shared")) == 2)
    teamtask("resume", "shared")
    mine = 0
    for block in client.work("shared"):
        for item in block:
            time.sleep(0.05)
            block.result(item, item * item)
            mine += 1
        block.done()
    said = [worker.communicate(timeout=DONE_SECONDS)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    assert all("shared is complete." in text for text in said), said
    shown = client.get("shared")
    assert (shown.state, shown.done, shown.view.results, shown.labels) == ("complete", 120, 120, {"team": "maths"})
    recorded = {one.index: one.result for one in shown.results()}
    assert sorted(recorded) == list(range(120))
    assert mine == sum(not isinstance(result, dict) for result in recorded.values())
    assert 0 < mine < 120, "everybody had a share"
    began = time.monotonic()
    late = teamtask("work", "shared", "--", "true")
    assert (late.code, "0 ok, 0 failed here" in late.said) == (0, True), late.said
    assert time.monotonic() - began < 30, "whoever comes too late does not wait for more"
    assert teamtask("ranges", "shared", "-o", "text").out == "0-119\n"
    assert len(teamtask("results", "shared", "-o", "ndjson").out.splitlines()) == 120
    assert teamtask("wait", "shared").code == 0
    assert "shared" in teamtask("ls", "-o", "name").out.splitlines()
    cluster.wait(lambda: not blocks_of(cluster, "shared"))
    assert teamtask("rm", "-y", "shared").code == 0
    assert "not found" in cluster.kubectl("get", "worklist", "shared", check=False)


def test_what_a_killed_worker_had_is_worked_by_another(cluster: Cluster, teamtask: Teamtask) -> None:
    teamtask("create", "killed", "--range", "0:40", "--block-size", "20", "--lease-seconds", "2")
    victim = teamtask.start("work", "killed", "--", "sh", "-c", "sleep 0.2")
    cluster.wait(lambda: any(block["status"]["phase"] == "Ready" for block in blocks_of(cluster, "killed")))
    victim.kill()
    other = teamtask("work", "killed", "--quiet", "--", "true")
    assert other.code == 0, other.said
    shown = json.loads(teamtask("show", "killed", "-o", "json").out)
    assert (shown["state"], shown["done"], shown["parked"]) == ("complete", 40, 0)
    (left,) = blocks_of(cluster, "killed")
    cluster.kubectl("delete", "block", left["metadata"]["name"])


def test_a_worker_that_is_told_to_end_gives_back_the_rest_and_its_block(cluster: Cluster, teamtask: Teamtask) -> None:
    teamtask("create", "ended", "--range", "0:30", "--block-size", "30", "--attempts", "1")
    worker = teamtask.start("work", "ended", "-j1", "--", "sh", "-c", "sleep 0.3; echo {}")
    assert worker.stdout is not None
    assert [worker.stdout.readline() for _ in range(3)] == ["0\n", "1\n", "2\n"]
    assert [block["metadata"]["generation"] for block in blocks_of(cluster, "ended")] == [1], "progress waits for more"
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=DONE_SECONDS)
    cluster.wait(lambda: not blocks_of(cluster, "ended"))
    shown = json.loads(teamtask("show", "ended", "-o", "json").out)
    assert (shown["leased"], shown["parked"]) == (0, 0)
    assert 1 <= shown["done"] == shown["results"] < 30
    assert shown["returned"] == 30 - shown["done"]
    assert teamtask("work", "ended", "--quiet", "--", "true").code == 0
    assert json.loads(teamtask("show", "ended", "-o", "json").out)["state"] == "complete"


def test_a_worker_that_waits_costs_no_calls_goes_on_at_once_and_ends_at_once(
    cluster: Cluster, teamtask: Teamtask
) -> None:
    teamtask("create", "waiting", "--range", "0:2", "--block-size", "1")
    assert "waiting is paused." in teamtask("pause", "waiting").said
    assert json.loads(cluster.kubectl("get", "worklist", "waiting", "-o", "json"))["spec"]["suspend"] is True
    workers = [teamtask.start("work", "waiting", "--forever", "--", "echo", "item {}") for _ in range(2)]
    cluster.wait(lambda: len(blocks_of(cluster, "waiting")) == 2)
    cluster.wait(lambda: all(block["status"].get("conditions") for block in blocks_of(cluster, "waiting")))
    before = [block["metadata"]["resourceVersion"] for block in blocks_of(cluster, "waiting")]
    time.sleep(3)
    assert [block["metadata"]["resourceVersion"] for block in blocks_of(cluster, "waiting")] == before
    assert "waiting is running." in teamtask("resume", "waiting").said
    assert teamtask("wait", "waiting", "--timeout", "20").code == 0
    began = time.monotonic()
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    said = [worker.communicate(timeout=DONE_SECONDS)[0] for worker in workers]
    assert time.monotonic() - began < 10
    assert sorted(line for text in said for line in text.splitlines() if line.startswith("item")) == [
        "item 0",
        "item 1",
    ]
    cluster.wait(lambda: not blocks_of(cluster, "waiting"))


def test_an_account_with_the_workers_role_works_and_does_nothing_else(cluster: Cluster, teamtask: Teamtask) -> None:
    token = account(cluster, "k8s-worker", "worker")
    teamtask("create", "limited", "--range", "0:20", "--block-size", "5")
    worked = teamtask("work", "limited", "--token", token, "--", "echo", "{}")
    assert worked.code == 0, worked.said
    assert sorted(worked.out.split(), key=int) == [str(number) for number in range(20)]
    assert json.loads(teamtask("show", "limited", "-o", "json", "--token", token).out)["state"] == "complete"
    assert "limited" in teamtask("ls", "-o", "name", "--token", token).out.splitlines()
    teamtask("create", "not-theirs", "--range", "0:20")
    for command in (["pause", "not-theirs"], ["rm", "-y", "limited"], ["results", "limited"]):
        refused = teamtask(*command, "--token", token)
        assert refused.code == 1
        assert "forbidden" in refused.said, refused.said
        assert "A rolebinding of teamtask-" in refused.said
    viewer = account(cluster, "k8s-viewer", "viewer")
    assert len(teamtask("results", "limited", "--token", viewer).out.splitlines()) == 21
    refused = teamtask("work", "limited", "--token", viewer, "--", "true")
    assert (refused.code, "cannot create resource" in refused.said) == (1, True), refused.said


def test_a_pods_block_has_its_name_and_goes_with_it(cluster: Cluster, teamtask: Teamtask) -> None:
    account(cluster, "k8s-worker", "worker")
    spec = {
        "serviceAccountName": "k8s-worker", "schedulerName": "none", "containers": [{"name": "a", "image": "none"}],
    }  # fmt: skip
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "worker-7"}, "spec": spec}
    cluster.kubectl("create", "-f", "-", given=pod)
    token = account(cluster, "k8s-worker", "worker", "worker-7")
    teamtask("create", "podded", "--range", "0:40", "--block-size", "10", "--lease-seconds", "60")
    first = teamtask.start("work", "podded", "--token", token, "-j1", "--", "sh", "-c", "sleep 0.3")
    cluster.wait(lambda: [block["status"]["phase"] for block in blocks_of(cluster, "podded")] == ["Ready"])
    (block,) = blocks_of(cluster, "podded")
    assert (block["metadata"]["name"], block["spec"]["holderPod"]) == ("worker-7", "worker-7")
    assert block["metadata"]["ownerReferences"][0]["kind"] == "Pod"
    first.kill()  # its container begins again
    again = teamtask.start("work", "podded", "--token", token, "-j1", "--", "sh", "-c", "sleep 0.4")
    cluster.wait(lambda: cluster.status("worklist", "podded").get("completedItems", 0) >= 10)
    teamtask("create", "podded-2", "--range", "0:4")
    other = teamtask("work", "podded-2", "--token", token, "--", "true")
    assert (other.code, "This pod works on podded already" in other.said) == (1, True), other.said
    cluster.kubectl("delete", "pod", "worker-7", "--grace-period=0", "--force")
    cluster.wait(lambda: not blocks_of(cluster, "podded"))
    again.kill()
    assert teamtask("work", "podded", "--quiet", "--", "true").code == 0
    assert cluster.status("worklist", "podded")["completed"] == "0-39"


def test_pods_work_with_their_own_account_and_give_back_what_they_have(
    cluster: Cluster, teamtask: Teamtask, image: str
) -> None:
    account(cluster, "k8s-worker", "worker")
    words = ["work", "in-pods", "--url", "k8s://", "--forever", "-j1", "--", "sh", "-c", "sleep 0.2; echo {}"]
    container = {"name": "work", "image": image, "args": words}
    template = {
        "metadata": {"labels": {"app": "k8s-workers"}},
        "spec": {"serviceAccountName": "k8s-worker", "containers": [container]},
    }
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "k8s-workers"}}, "template": template}
    metadata = {"name": "k8s-workers"}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    teamtask("create", "in-pods", "--range", "0:100", "--block-size", "20", "--attempts", "1")
    cluster.kubectl("create", "-f", "-", given=deployment)
    cluster.wait(lambda: len([one for one in blocks_of(cluster, "in-pods") if one["status"]["phase"] == "Ready"]) == 2)
    pods = json.loads(cluster.kubectl("get", "pods", "-l", "app=k8s-workers", "-o", "json"))["items"]
    names = {pod["metadata"]["name"] for pod in pods}
    assert {block["metadata"]["name"] for block in blocks_of(cluster, "in-pods")} == names
    cluster.kubectl("delete", "pod", min(names))
    cluster.wait(lambda: min(names) not in {block["metadata"]["name"] for block in blocks_of(cluster, "in-pods")})
    cluster.wait(lambda: cluster.status("worklist", "in-pods")["phase"] == "Complete")
    status = cluster.status("worklist", "in-pods")
    assert (status["completed"], status["results"], status["parkedItems"]) == ("0-99", 100, 0)
    cluster.kubectl("delete", "deployment", "k8s-workers")
    cluster.wait(lambda: not blocks_of(cluster, "in-pods"))


def test_failed_items_and_parked_ones_are_brought_back(cluster: Cluster, teamtask: Teamtask, client: Client) -> None:
    teamtask("create", "again", "--range", "0:8", "--block-size", "2", "--attempts", "1")
    assert teamtask("work", "again", "--quiet", "--", "test", "5", "-ne").code == 0
    assert [line.split(",")[0] for line in teamtask("results", "again", "--failed").out.splitlines()[1:]] == ["5"]
    assert "1 item of again is to be worked again." in teamtask("rerun", "again", "--failed").said
    for block in client.work("again"):
        block.fail("it is broken", block.index)
    shown = client.get("again")
    assert (shown.state, shown.parked, shown.done) == ("complete_except", 1, 7)
    assert [block.index for block in shown.blocks("parked")] == [5]
    assert shown.unpark() == 1
    for block in client.work("again"):
        block.done([(index, "mended") for index in range(block.index, block.index + block.size)])
    assert client.get("again").state == "complete"
    assert {one.index: one.result for one in shown.results()}[5] == "mended"
    assert shown.rerun("0-3") == 4
    assert cluster.status("worklist", "again")["completed"] == "4-7"


def test_a_fold_is_that_of_all_items_whatever_happens_to_blocks(cluster: Cluster, client: Client) -> None:
    listed = client.create("folded", numbers(0, 200), block={"size": 40}, fold="sum", limits={"workers": 2})
    for number, block in enumerate(client.work("folded")):
        half = block.index + block.size // 2
        block.progress(half, fold=sum(range(block.index, half)))
        if number == 1:
            block.release()
            continue
        block.done(fold=sum(range(half, block.index + block.size)))
    assert (listed.refresh().state, listed.fold) == ("complete", sum(range(200)))
    assert cluster.status("worklist", "folded")["fold"] == sum(range(200))


def test_lines_are_in_the_object_and_their_items_are_read_from_it(cluster: Cluster, teamtask: Teamtask) -> None:
    hosts = [f"host-{number}" for number in range(30)]
    made = teamtask("create", "lines", "-", given="\n".join(hosts))
    assert made.code == 0, made.said
    assert teamtask("items", "lines").out.splitlines() == hosts
    worked = teamtask("work", "lines", "--per-block", "--", "cat")
    assert sorted(worked.out.splitlines()) == sorted(hosts), worked.said
    assert "there is a worklist lines already" in teamtask("create", "lines", "-", given="a").said.lower()
    assert "not found" in cluster.kubectl("get", "configmap", "lines-lines", check=False), "it needs none"


def test_blocks_without_a_size_grow_with_the_speed_of_a_worker(client: Client) -> None:
    client.create("adaptive", numbers(0, 3_000), block={"seconds": 1.0})
    sizes = []
    for block in client.work("adaptive"):
        sizes.append(block.size)
        for _ in block:
            time.sleep(0.001)
        block.done()
    assert sum(sizes) == 3_000
    assert max(sizes) > 10 * sizes[0]


def test_a_function_is_called_in_processes_of_its_own(client: Client) -> None:
    client.create("called", numbers(0, 50), block={"size": 10})
    found = client.run("called", abs, processes=2)
    assert (found.state, found.view.results) == ("complete", 50)


def test_limits_are_changed_while_the_list_is_worked(cluster: Cluster, teamtask: Teamtask) -> None:
    teamtask("create", "changed", "--range", "0:10", "--label", "a=1")
    done = teamtask(
        *("set", "changed", "--limit-workers", "3", "--lease-seconds", "20", "--label", "a=", "--label", "b=2"),
        *("--block-seconds", "5", "--limit-items-per-second", "100", "--priority", "3"),
    )
    assert done.code == 0, done.said
    document = json.loads(cluster.kubectl("get", "worklist", "changed", "-o", "json"))
    assert document["metadata"]["labels"] == {"b": "2"}
    spec = document["spec"]
    assert (spec["maxActiveBlocks"], spec["leaseSeconds"], spec["itemsPerSecond"], spec["priority"]) == (3, 20, 100, 3)
    assert spec["block"] == {"seconds": 5}
    refused = teamtask("set", "changed", "--item-seconds", "3")
    assert (refused.code, "has no `item_seconds`" in refused.said) == (1, True)
    refused = teamtask("set", "changed", "--weight", "0")
    assert (refused.code, "weight" in refused.said) == (1, True), refused.said
    assert "cannot be cancelled" in teamtask("cancel", "changed").said
    assert "5 were added to changed" in teamtask("grow", "changed", "--size", "15").said
    assert teamtask("work", "changed", "--quiet", "--", "true").code == 0
    assert cluster.status("worklist", "changed")["completed"] == "0-14"


LEAVES_A_SPOOL = """
import os, sys
from teamtask.client.connecting import connection_to
from teamtask.client.exchanging import Exchanging
from teamtask.client.spool import Spool
from teamtask.wire.exchange_json import encode_exchange
from teamtask.wire.messages import Exchange, Report, Want
from teamtask.wire.result_batch import pack
connection = connection_to(sys.argv[1], None)
shown = connection.call("GET", "/v1/lists/spooled")
spool = Spool(shown["id"])
lease = Exchanging(connection, "spooled", spool)(Exchange("dead", "r", Want())).leases[0]
upto = lease.index + lease.size
report = Report(lease.lease, lease.index, upto, results=pack(range(lease.index, upto), ["kept"] * lease.size))
spool.keep(encode_exchange(Exchange("dead", reports=(report,))))
print(lease.size, flush=True)
os._exit(1)
"""


def test_what_a_dead_worker_had_finished_is_delivered_by_the_next_one(
    cluster: Cluster, teamtask: Teamtask, client: Client
) -> None:
    client.create("spooled", numbers(0, 20), block={"size": 5})
    died = subprocess.run(
        [sys.executable, "-c", LEAVES_A_SPOOL, teamtask.url], capture_output=True, text=True, check=False
    )
    assert died.stdout, died.stderr
    worked = [block.index for block in client.work("spooled") if not block.done()]
    assert len(worked) == 3, "what it had done is not done again"
    assert [one.result for one in client.get("spooled").results()] == ["kept"] * int(died.stdout)
    cluster.wait(lambda: not blocks_of(cluster, "spooled"))


def test_whoever_names_what_is_not_there_is_told(cluster: Cluster, teamtask: Teamtask) -> None:
    nothing = teamtask("show", "no-such-list")
    assert (nothing.code, "There is no list 'no-such-list'" in nothing.said) == (1, True)
    for command in (("show", "x"), ("ls",), ("create", "x", "--range", "0:3"), ("work", "x", "--", "true")):
        nowhere = teamtask(command[0], "--url", "k8s:///no-such-namespace", *command[1:])
        assert nowhere.code == 1, nowhere
        assert "no-such-namespace" in nowhere.said, nowhere.said
    context = teamtask("ls", "--url", f"k8s://no-such-context/{cluster.namespace}")
    assert (context.code, "no-such-context" in context.said, "Traceback" in context.said) == (1, True, False)
    assert "is no address of a cluster" in teamtask("ls", "--url", "k8s:x").said
    stranger = teamtask("ls", "--token", "nonsense")
    assert (stranger.code, "auth whoami" in stranger.said) == (1, True), stranger.said


def test_a_client_hears_of_what_is_wrong_by_its_code(cluster: Cluster, client: Client) -> None:
    with pytest.raises(KubernetesError):
        Client("k8s://no-such-context/x")
    with pytest.raises(ApiError) as error:
        client.get("nothing")
    assert (error.value.status, error.value.code) == (404, "not_found")
    client.create("name-taken", numbers(0, 3))
    with pytest.raises(ApiError) as error:
        client.create("name-taken", numbers(0, 3))
    assert (error.value.status, error.value.code) == (409, "name_taken")
    with pytest.raises(ApiError) as error:
        client.create("more", numbers(0, 3), roles={"worker": ["everyone"]})
    assert (error.value.code, error.value.field) == ("not_in_kubernetes", "roles")
    assert cluster.namespace in client.connection.url
