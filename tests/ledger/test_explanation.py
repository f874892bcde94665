"""The walk through a list in the docs is what really happens."""

from __future__ import annotations

import re
from pathlib import Path

from ledger_desk import Desk

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "ledger.md"


def drawn(desk: Desk) -> str:
    """The list as the page draws it."""
    signs = ["."] * desk.ledger.size
    for start, stop in desk.done:
        signs[start:stop] = "#" * (stop - start)
    for lease in desk.ledger.leases.values():
        for start, stop in lease.rest:
            signs[start:stop] = lease.key.worker[0] * (stop - start)
    for piece in desk.ledger.returned:
        alone = piece.failures and piece.stop - piece.start == 1
        signs[piece.start : piece.stop] = ("*" if alone else "r") * (piece.stop - piece.start)
    for index in desk.ledger.parked:
        signs[index] = "P"
    return "".join(signs)


def test_the_walk_through_a_list_is_drawn_as_it_happens() -> None:
    desk = Desk(30)
    walk = []
    ann = desk.claim("ann")
    walk.append(drawn(desk))
    bob = desk.claim("bob")
    walk.append(drawn(desk))
    desk.now += 20
    desk.report(bob)
    walk.append(drawn(desk))
    desk.report(ann, 4)
    walk.append(drawn(desk))
    desk.expire(ann)
    walk.append(drawn(desk))
    bob = desk.claim("bob")
    walk.append(drawn(desk))
    desk.report(ann, 7)
    walk.append(drawn(desk))
    desk.report(bob, 10)
    walk.append(drawn(desk))
    desk.report(desk.claim("bob"), failed=((23, "no such file"),))
    walk.append(drawn(desk))
    for name in ("ann", "bob"):
        desk.report(desk.claim(name), 23, failed=((23, "no such file"),))
    walk.append(drawn(desk))
    assert desk.ledger.state == "complete_except"
    assert re.findall(r"[.#abrP*]{30}", PAGE.read_text("utf-8")) == walk
