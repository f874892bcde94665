"""Chance: ids that nobody guesses, of which no two are the same, also not in two processes that were one."""

from __future__ import annotations

import re
import subprocess
import sys

from teamtask.service.chance import chance, new_block_name, new_lease_id

FORK = """
import os
from teamtask.service.chance import chance, new_block_name, new_lease_id
new_lease_id(), new_block_name(), chance()
child = os.fork()
drawn = [*(new_lease_id() for _ in range(100)), *(repr(chance()) for _ in range(10))]
if child:
    os.waitpid(child, 0)
print("\\n".join(drawn), flush=True)
"""


def test_no_two_ids_of_leases_are_the_same() -> None:
    ids = [new_lease_id() for _ in range(10_000)]
    assert len(set(ids)) == 10_000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{16}", lease) for lease in ids)
    assert len({lease[:4] for lease in ids}) > 9_000, "there is chance in every part of them"
    assert len({lease[-4:] for lease in ids}) > 9_000


def test_a_process_that_was_forked_has_chance_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=True)
    lines = done.stdout.split()
    assert len(lines) == len(set(lines)) == 220


def test_names_of_blocks_are_no_words() -> None:
    names = {new_block_name() for _ in range(1_000)}
    assert len(names) > 990
    assert all(re.fullmatch(r"[b-df-hj-np-tv-xz2-9]{5}", name) for name in names)


def test_jitter_lies_between_nothing_and_one() -> None:
    assert all(0 <= chance() < 1 for _ in range(1_000))
