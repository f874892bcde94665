"""`Storm`: leaders killed, pods deleted at random, the node drained, while lists are worked; chosen by a seed."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import files

if TYPE_CHECKING:
    from conftest import Cluster, Controller

LABEL = "teamtask.io/worklist"
PAUSE_SECONDS = 6  # between two pods, on average
CALM_SECONDS = 120  # the longest that something may take to come back
DRAIN = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=60s", "--request-timeout=0")


class Storm:
    """What happens to the pods of some lists, and to the controllers."""

    def __init__(self, cluster: Cluster, lists: list[str], seed: int) -> None:
        self._cluster = cluster
        self._which = f"{LABEL} in ({','.join(lists)})"
        self._chance = random.Random(seed)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._delete_pods, name="storm")
        self.deleted = 0
        self.forced = 0
        self.seconds_without_leader: list[float] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def pods(self, *phases: str) -> list[str]:
        """Give the names of the lists' pods that are in these phases and not about to go."""
        found = json.loads(self._cluster.kubectl("get", "pods", "-l", self._which, "-o", "json"))["items"]
        there = [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]
        return sorted(pod["metadata"]["name"] for pod in there if pod["status"]["phase"] in phases)

    def _delete_pods(self) -> None:
        """Delete one pod after the other, half of them with no time to say anything."""
        while not self._ended.wait(self._chance.uniform(0, 2 * PAUSE_SECONDS)):
            if running := self.pods("Running"):
                hard = self._chance.random() < 0.5
                how = ("--grace-period=0", "--force") if hard else ()
                self._cluster.kubectl("delete", "pod", self._chance.choice(running), "--wait=false", *how, check=False)
                self.deleted += 1
                self.forced += hard

    def kill_leader(self, controllers: list[Controller]) -> None:
        """Kill the controller that leads, start it again, and wait until one leads: the other, as a rule."""
        (leader,) = [one for one in controllers if one.leads()]
        leader.stop(signal.SIGKILL)
        began = time.monotonic()
        leader.start()
        self.wait(lambda: any(one.leads() for one in controllers))
        self.seconds_without_leader.append(time.monotonic() - began)

    def drain(self) -> None:
        """Drain the node of these lists' pods until others wait for it, then take it back."""
        try:
            # All pods of the lists, and of nobody else: others work on this cluster too.
            self._cluster.kubectl("drain", files.NODE, f"--pod-selector={self._which}", *DRAIN)
            assert self.pods("Running") == []
            self.wait(lambda: self.pods("Pending"))
        finally:
            self._cluster.kubectl("uncordon", files.NODE)
        self.wait(lambda: self.pods("Running"))

    def wait(self, there: Any) -> None:
        """Wait until something is true again."""
        until = time.monotonic() + CALM_SECONDS
        while not there():
            assert time.monotonic() < until, self._cluster.kubectl("get", "lists,jobs,pods", "-o", "wide")
            time.sleep(0.3)
