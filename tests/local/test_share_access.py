"""Whoever shares a list gives a token and a role, and takes away what is its own; who is elsewhere is nobody here."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from teamtask.access import LOCAL, Principal, SiteRole
from teamtask.ledger.rules import Rules
from teamtask.local.open_run import RunInUse, check_unused, take_back_dead
from teamtask.local.processes import worker_name
from teamtask.local.share_access import HOLDER, opened_to_others, sharers
from teamtask.local.sharing import address
from teamtask.service.definition import Definition, LocalRun, decode_definition
from teamtask.service.service import Service
from teamtask.service.tokens import Tokens
from teamtask.settings import Bind
from teamtask.sources import source_from_definition
from teamtask.stores.open_store import open_store
from teamtask.wire.messages import Exchange, Want

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamtask.stores.store import ListRecord

ADMIN = Principal("admin", site_roles=frozenset({SiteRole.ADMIN}))
DIES = """
import sys
from teamtask.local.share_access import opened_to_others
from teamtask.service.service import Service
from teamtask.stores.open_store import open_store
service = Service(open_store(sys.argv[1]))
sharing = opened_to_others(service, service.find("run"))
print(sharing.__enter__(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(open_store(f"sqlite:{tmp_path / 'state'}"))
    source = source_from_definition({"kind": "range", "start": 0, "stop": 100})
    roles = {"viewer": ("everyone",)}
    definition = Definition(source.definition(), source.fingerprint, LocalRun("/", {"arguments": []}), roles=roles)
    made.create("run", definition, Rules(), 100, None)
    yield made
    made.store.close()


@pytest.fixture
def record(service: Service) -> ListRecord:
    return service.find("run")


def roles(service: Service) -> dict[str, tuple[str, ...]]:
    return decode_definition(service.find("run").definition).roles


def held(service: Service, record: ListRecord) -> dict[str, str]:
    with service.view(record) as view:
        return {lease.key.worker: lease.key.principal for lease in view.ledger.leases.values()}


def claim(service: Service, record: ListRecord, principal: str, worker: str) -> None:
    assert service.exchange(record.id, principal, Exchange(worker, want=Want())).leases


def test_the_token_is_a_worker_of_that_list_until_the_end(service: Service, record: ListRecord) -> None:
    with opened_to_others(service, record) as secret:
        principal = Tokens(service.store).principal_of(secret)
        assert principal is not None
        assert (principal.name, principal.lists, principal.site_roles) == (HOLDER, {"run"}, frozenset())
        assert roles(service) == {"viewer": ("everyone",), "worker": (HOLDER,)}
        assert sharers(service.store, "run") == [worker_name()]
        assert sharers(service.store, "other") == []
        with pytest.raises(RunInUse, match="shares run with other machines"):
            check_unused(service, record)
    assert Tokens(service.store).principal_of(secret) is None
    assert roles(service) == {"viewer": ("everyone",)}
    check_unused(service, record)


def test_the_work_of_others_goes_back_when_the_last_sharing_ends(service: Service, record: ListRecord) -> None:
    with opened_to_others(service, record):
        with opened_to_others(service, record):
            claim(service, record, HOLDER, "far")
            claim(service, record, LOCAL, "near")
        assert held(service, record) == {"far": HOLDER, "near": LOCAL}
        assert roles(service)["worker"] == (HOLDER,)
    assert held(service, record) == {"near": LOCAL}


def test_what_a_killed_sharing_left_is_cleared_away_by_the_next(service: Service, record: ListRecord) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DIES, service.store.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout is not None
        left = killed.stdout.readline().strip()
        assert len(sharers(service.store, "run")) == 1
        killed.kill()
    assert sharers(service.store, "run") == []
    assert Tokens(service.store).principal_of(left) is not None, "nobody serves it, yet it is there"
    with opened_to_others(service, record):
        assert Tokens(service.store).principal_of(left) is None
    assert not Tokens(service.store).list(ADMIN, "", 10).items
    assert "worker" not in roles(service)


def test_a_list_that_is_deleted_meanwhile_is_no_trouble(service: Service, record: ListRecord) -> None:
    with opened_to_others(service, record):
        service.delete(record.id)
    assert not Tokens(service.store).list(ADMIN, "", 10).items


def test_a_worker_elsewhere_is_not_dead_whatever_its_name(service: Service, record: ListRecord) -> None:
    with subprocess.Popen([sys.executable, "-c", "from teamtask.local.processes import *; print(worker_name())"],
                          stdout=subprocess.PIPE, text=True) as process:  # fmt: skip
        dead = process.communicate()[0].strip()
    claim(service, record, HOLDER, dead)
    claim(service, record, LOCAL, dead)
    take_back_dead(service, record)
    assert held(service, record) == {dead: HOLDER}
    claim(service, record, HOLDER, worker_name())
    check_unused(service, record)


def test_the_address_is_what_was_given_or_one_that_others_reach() -> None:
    assert address(Bind("127.0.0.1", 80)) == "http://127.0.0.1:80"
    assert address(Bind("::1", 80)) == "http://[::1]:80"
    assert address(Bind("host.example", 80)) == "http://host.example:80"
    for everywhere in ("0.0.0.0", "::"):  # noqa: S104 - what it stands for
        host = address(Bind(everywhere, 80)).removeprefix("http://").removesuffix(":80").strip("[]")
        assert host == socket.gethostname() or not Bind(host, 80).is_loopback
        assert host not in ("0.0.0.0", "::", "")  # noqa: S104 - as above
