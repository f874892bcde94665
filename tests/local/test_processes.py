"""A worker's name tells whether its process lives, and never mistakes another for it."""

from __future__ import annotations

import os
import subprocess
import sys

from teamtask.local.processes import is_alive, is_dead, shown_worker, worker_name


def name_of_child(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


CHILD = (
    "import sys; from teamtask.local.processes import worker_name; print(worker_name(), flush=True); sys.stdin.read()"
)


def test_a_process_is_dead_when_it_has_ended_and_not_before() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        name = name_of_child(child)
        assert is_alive(name)
        assert not is_dead(name)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert is_dead(name), "also while its parent has not asked for its status"
        child.wait()
        assert is_dead(name)
        assert not is_alive(name)


def test_a_process_id_that_is_used_again_is_another_process() -> None:
    mine = worker_name()
    other_start = mine[:-8] + ("0" * 8 if mine[-8:] != "0" * 8 else "1" * 8)
    assert not is_dead(mine)
    assert is_dead(other_start)


def test_of_other_machines_and_containers_nobody_can_know() -> None:
    host, _, rest = worker_name().rpartition("/")
    pid, mark = rest.split(".")
    assert not is_dead(f"other-{host}/{rest}")
    assert not is_dead(f"{host}/{pid}.{'0000' if mark[:4] != '0000' else '1111'}{mark[4:]}")
    assert not is_dead("somebody")
    assert not is_dead("")


def test_people_see_host_and_process_id() -> None:
    assert shown_worker(worker_name()).endswith(f"/{os.getpid()}")
    assert shown_worker("host-a/1") == "host-a/1"
