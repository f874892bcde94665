"""The directory: what a name means to somebody, remembered for moments and forgotten where it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from teamtask.access import Action, Principal, SiteAction, SiteRole
from teamtask.ledger.rules import Rules
from teamtask.service.definition import Definition, encode_definition
from teamtask.service.directory import Directory, Forbidden, check_site
from teamtask.service.service import NoSuchList, Service
from teamtask.stores.memory import MemoryStore

if TYPE_CHECKING:
    from teamtask.ledger.ids import ListId

OWNER, WORKER, STRANGER = Principal("token:o"), Principal("token:w"), Principal("token:s")


def definition(*workers: str) -> Definition:
    return Definition({"kind": "range", "start": 0, "stop": 9}, "f", owner="token:o", roles={"worker": workers})


@pytest.fixture
def service() -> Service:
    return Service(MemoryStore())


@pytest.fixture
def primes(service: Service) -> ListId:
    return service.create("primes", definition("token:w"), Rules(), 9, None)


@pytest.fixture
def directory(service: Service) -> Directory:
    return Directory(service.store)


def test_a_name_is_a_list_to_those_who_may_see_it(directory: Directory, primes: ListId) -> None:
    assert directory.find(OWNER, "primes", Action.CHANGE).record.id == primes
    assert directory.find(WORKER, "primes", Action.WORK).record.id == primes
    with pytest.raises(Forbidden) as refusal:
        directory.find(WORKER, "primes", Action.CHANGE)
    assert (refusal.value.code, refusal.value.detail) == ("forbidden", {"role": "owner"})


def test_to_strangers_every_name_is_alike(directory: Directory, primes: ListId) -> None:
    said = []
    for name in ("primes", "nowhere", "primes"):
        for action in Action:
            with pytest.raises(NoSuchList) as refusal:
                directory.find(STRANGER, name, action)
            said.append((refusal.value.message.replace(name, "NAME"), refusal.value.hint, refusal.value.detail))
    assert len(set(map(str, said))) == 1
    assert primes


def test_what_is_changed_here_is_seen_at_once_when_it_is_forgotten(
    directory: Directory, service: Service, primes: ListId
) -> None:
    directory.find(WORKER, "primes", Action.WORK)
    with service.store.write([primes]) as writer:
        writer.replace_definition(primes, encode_definition(definition("token:s")))
    assert directory.find(WORKER, "primes", Action.WORK), "it is remembered for a moment"
    directory.forget("primes")
    assert directory.find(STRANGER, "primes", Action.WORK)
    with pytest.raises(NoSuchList):
        directory.find(WORKER, "primes", Action.VIEW)


def test_what_others_change_is_seen_in_a_while(
    directory: Directory, service: Service, primes: ListId, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.find(OWNER, "primes", Action.VIEW)
    service.delete(primes)
    assert directory.find(OWNER, "primes", Action.VIEW)
    monkeypatch.setattr("teamtask.service.directory.KNOWN_SECONDS", -1.0)
    with pytest.raises(NoSuchList):
        directory.find(OWNER, "primes", Action.VIEW)
    again = service.create("primes", definition(), Rules(), 9, None)
    assert directory.find(OWNER, "primes", Action.VIEW).record.id == again != primes


def test_a_name_that_is_free_is_not_remembered_as_such(directory: Directory, service: Service) -> None:
    with pytest.raises(NoSuchList):
        directory.find(OWNER, "primes", Action.VIEW)
    service.create("primes", definition(), Rules(), 9, None)
    assert directory.find(OWNER, "primes", Action.VIEW)


def test_a_list_of_a_run_on_this_machine_is_its_users_alone(directory: Directory, service: Service) -> None:
    service.create("run", Definition({"kind": "range", "start": 0, "stop": 9}, "f"), Rules(), 9, None)
    for principal in (OWNER, WORKER, Principal("token:local"), Principal("everyone")):
        with pytest.raises(NoSuchList):
            directory.find(principal, "run", Action.VIEW)
    assert directory.find(Principal("local"), "run", Action.CHANGE)
    assert directory.find(Principal("a", site_roles=frozenset({SiteRole.ADMIN})), "run", Action.CHANGE)


def test_rights_at_the_site_are_asked_for_in_words() -> None:
    check_site(Principal("a", site_roles=frozenset({SiteRole.AUDITOR})), SiteAction.READ_AUDIT)
    with pytest.raises(Forbidden) as refusal:
        check_site(Principal("token:w"), SiteAction.CREATE_LISTS)
    assert refusal.value.message == "token:w may not create lists."
