"""What lists cost on a Kubernetes cluster, the one that KUBECONFIG names; `make bench-cluster` brings one up for it.

    python benchmarks/on_cluster [--report FILE] [--note TEXT] [part ...]

Parts: jobs (items of size one by an Indexed Job, a pod for each block and a pool of workers), exchanges (workers that
only report), failover (the leader is killed), held (many blocks held at once), million (items of size one by 300
workers: an hour). With `--report` a part takes the place of its own text in the page. The aims are those of the design:
30 times the Indexed Job's items a second, 100 blocks a second within the default write budget, assigned within 150 ms
(median) and 1 s (p99), at most 0.5 writes a block at four blocks an assignment, 10,000 blocks in 100 MiB, failover in
20 s.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "cluster"))

from _bench import Bench, Controller, percentile, wait
from _holders import Holders
from _million import million

from teamtask.kube import objects as o

if TYPE_CHECKING:
    from collections.abc import Callable

TITLES = {
    "jobs": "A command for each item: a Job, a pod for each block, a pool",
    "exchanges": "Workers that report at once",
    "held": "Many blocks held",
    "million": "A million items of size one",
    "failover": "The leader is killed",
}
BEGINNING = """<!-- written by make bench-cluster; do not edit -->

# Benchmarks on Kubernetes

`make bench-cluster` measures this on the cluster of `KUBECONFIG`, or on the one of the tests (one node, Kubernetes
1.34), where API server, etcd, kubelet, pods, controller and simulated workers share the machine; and writes this page.
The write budget is that of `teamtask controller` without options, where nothing else is said.
"""
BASE = "teamtask.io/base:1"
JOB_ITEMS, POD_ITEMS, POOL_ITEMS, POOL_PODS, PARALLEL = 60, 60, 5_000, 4, 10
EXCHANGE_SECONDS = 30.0


def jobs(bench: Bench) -> None:
    """Print items a second of an Indexed Job, a pod for each block, and a pool, each item the command `true`."""
    import teamtask_image

    image = teamtask_image.load()
    controller = Controller(bench.namespace)
    account_for_workers(bench)
    indexed = _indexed_job(bench)
    print(f"Indexed Job, {JOB_ITEMS} indexes, {PARALLEL} pods at once        {indexed:8.2f} items/s")
    template = _template(BASE, ["true"])
    per_block = _worked(
        bench, "per-block", POD_ITEMS, {"mode": "PodPerBlock", "replicas": PARALLEL, "template": template}
    )
    print(f"PodPerBlock, {POD_ITEMS} items, {PARALLEL} pods at once          {per_block:8.2f} items/s")
    template = _template(image, None, ["work", "pool", "--", "true"])
    pool = _worked(bench, "pool", POOL_ITEMS, {"mode": "Pool", "replicas": POOL_PODS, "template": template})
    print(
        f"Pool, {POOL_ITEMS:,} items, {POOL_PODS} workers                   {pool:8.2f} items/s, their start included"
    )
    print(f"  {pool / indexed:.0f} times the Indexed Job's (aim: 30 or more)")
    controller.close()


def account_for_workers(bench: Bench) -> None:
    """Let the pods of the namespace work."""
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": bench.namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "teamtask-worker"}
    bench.server.call(
        "POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{bench.namespace}/rolebindings",
        {"metadata": {"name": "workers"}, "roleRef": role, "subjects": [subject]},
    )  # fmt: skip


def _template(image: str, command: list[str] | None, arguments: list[str] | None = None) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "main", "image": image, "imagePullPolicy": "Never"}
    container |= {"command": command} if command else {}
    container |= {"args": arguments} if arguments else {}
    return {"spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container]}}


def _indexed_job(bench: Bench) -> float:
    path = f"/apis/batch/v1/namespaces/{bench.namespace}/jobs"
    spec = {"completions": JOB_ITEMS, "parallelism": PARALLEL, "completionMode": "Indexed"}
    template = _template(BASE, ["true"])
    began = time.perf_counter()
    bench.server.call("POST", path, {"metadata": {"name": "indexed"}, "spec": spec | {"template": template}})
    wait(lambda: bench.server.call("GET", f"{path}/indexed")["status"].get("succeeded") == JOB_ITEMS)
    seconds = time.perf_counter() - began
    bench.server.call("DELETE", f"{path}/indexed", query={"propagationPolicy": "Background"})
    return JOB_ITEMS / seconds


def _worked(bench: Bench, name: str, items: int, workers: dict[str, Any]) -> float:
    began = time.perf_counter()
    bench.create_list(name, source={"kind": "range", "stop": items}, block={"size": 1}, workers=workers)
    wait(lambda: bench.worklist(name).status.phase == "Complete")
    seconds = time.perf_counter() - began
    bench.delete_list(name)
    return items / seconds


def exchanges(bench: Bench) -> None:
    """Print what workers that only report come to within the default write budget."""
    print(f"blocks of one item, reported at once, {EXCHANGE_SECONDS:g} s each; budget: 50 writes/s a list")
    titles = f"{'blocks/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'writes/block':>14}{'CPU s/1,000 blocks':>20}"
    print(f"{'':23}{titles}{'GET p99 ms':>12}")
    for workers, work_seconds in ((1, 0.0), (4, 0.0), (8, 0.5), (20, 0.0)):
        controller = Controller(bench.namespace)
        name = f"exchanges-{workers}"
        busy = f", {work_seconds:g} s each" if work_seconds else ""
        bench.create_list(name, source={"kind": "range", "stop": 10**9}, block={"size": 1})
        holders = Holders(bench.server, bench.namespace, name, work_seconds=work_seconds)
        holders.create(f"{name}-{number}" for number in range(workers))
        time.sleep(2)
        others: list[float] = []
        before, writes, cpu = len(holders.assigned), holders.writes, controller.cpu_seconds()
        began = time.perf_counter()
        while time.perf_counter() - began < EXCHANGE_SECONDS:
            asked = time.perf_counter()
            bench.server.call("GET", f"/api/v1/namespaces/{bench.namespace}")
            others.append(time.perf_counter() - asked)
            time.sleep(0.05)
        seconds = time.perf_counter() - began
        some = holders.assigned[before:]
        blocks = sum(one.blocks for one in some)
        theirs = holders.writes - writes
        cpu = controller.cpu_seconds() - cpu
        ours = len(some) + seconds / 0.1 * min(1.0, len(some) / seconds * 0.1)
        latencies = [one.seconds for one in some if one.seconds is not None]
        print(
            f"{f'{workers} workers{busy}':<23}{blocks / seconds:>10.1f}{percentile(latencies, 0.5):>9.0f}"
            f"{percentile(latencies, 0.99):>9.0f}{(theirs + ours) / max(1, blocks):>14.2f}"
            f"{1000 * cpu / max(1, blocks):>20.2f}{percentile(others, 0.99):>12.0f}"
        )
        size = len(json.dumps(bench.server.call("GET", f"{o.path('worklists', bench.namespace)}/{name}")))
        throttled = next(c for c in bench.worklist(name).status.conditions if c.type == "Throttled")
        print(f"  the Worklist has {size:,} bytes; Throttled: {throttled.status} {throttled.message}")
        holders.stop()
        bench.delete_list(name)
        controller.close()


def held(bench: Bench) -> None:
    """Print what many blocks that are held cost the controller."""
    print(f"{'blocks held':>12}{'assigned in s':>15}{'MiB':>7}{'idle CPU':>10}")
    fast = ("--writes-per-second", "1000", "--list-writes-per-second", "1000")
    for count in (1_000, 10_000):
        controller = Controller(bench.namespace, *fast)
        name = f"held-{count}"
        bench.create_list(
            name, source={"kind": "range", "stop": 10**9}, block={"size": 10}, leaseSeconds=3_600,
            maxActiveBlocks=count, blocksPerHolder=count,
        )  # fmt: skip
        holders = Holders(bench.server, bench.namespace, name, reports=False)
        began = time.perf_counter()
        holders.create(f"{name}-{number}" for number in range(count))
        wait(lambda holders=holders, count=count: len(holders.assigned) >= count)  # type: ignore[misc]
        seconds = time.perf_counter() - began
        time.sleep(2)
        cpu = controller.cpu_seconds()
        time.sleep(10)
        cpu = (controller.cpu_seconds() - cpu) / 10
        print(f"{count:>12,}{seconds:>15.1f}{controller.mebibytes():>7.0f}{100 * cpu:>9.1f}%")
        holders.stop()
        bench.delete_list(name)
        controller.close()


def failover(bench: Bench) -> None:
    """Print how long workers wait for their next block when the leader is killed, with a standby there."""
    waited = []
    leader = Controller(bench.namespace)
    bench.create_list("failover", source={"kind": "range", "stop": 10**9}, block={"size": 1})
    holders = Holders(bench.server, bench.namespace, "failover")
    holders.create(["failover-0"])
    for _ in range(3):
        standby = Controller(bench.namespace)
        wait(lambda: holders.assigned)
        leader.kill()
        time.sleep(0.5)
        before, began = len(holders.assigned), time.perf_counter()
        wait(lambda before=before: len(holders.assigned) > before, 120)  # type: ignore[misc]
        waited.append(time.perf_counter() - began + 0.5)
        leader = standby
    shown = ", ".join(f"{seconds:.1f}" for seconds in waited)
    print(f"leader killed 3 times: {shown} s without a new block (aim: 20 or less)")
    holders.stop()
    bench.delete_list("failover")
    leader.close()


RUN: dict[str, Callable[[Bench], None]] = {
    "jobs": jobs, "exchanges": exchanges, "failover": failover, "held": held, "million": million
}  # fmt: skip


class Tee(io.StringIO):
    """Keeps what is printed, and shows it."""

    def write(self, text: str) -> int:
        """Keep and show."""
        sys.__stdout__.write(text)
        sys.__stdout__.flush()
        return super().write(text)


def _write(page: Path, title: str, told: str) -> None:
    """Put what a part has told into the page, in the place of what it told another time."""
    parts = page.read_text().split("\n## ")[1:] if page.exists() else []
    told_of = dict(part.split("\n", 1) for part in parts)
    told_of[title] = f"\n{os.cpu_count()} CPUs, {datetime.now(UTC):%Y-%m-%d}.\n\n```text\n{told}\n```\n"
    page.write_text("\n".join([BEGINNING, *(f"## {one}\n{told_of[one]}" for one in TITLES.values() if one in told_of)]))


def main() -> None:
    """Run the parts; each goes into the page, if one is named, as soon as it is at its end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(RUN))
    parser.add_argument("--report", type=Path)
    parser.add_argument("--note", default="", help="said below what was measured, such as what else the machine did")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(RUN):
        parser.error(f"There is no part {', '.join(unknown)}; there are {', '.join(RUN)}.")
    bench = Bench()
    try:
        for part in options.parts or RUN:
            print(f"== {TITLES[part]}", flush=True)
            with redirect_stdout(Tee()) as told:
                RUN[part](bench)
                print(options.note)
            if options.report is not None:
                _write(options.report, TITLES[part], told.getvalue().rstrip())
    finally:
        bench.close()


if __name__ == "__main__":
    main()
