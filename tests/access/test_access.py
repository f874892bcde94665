"""Roles: the greater may all that the lesser may, and no scope of a token gives more than the list does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.access import (
    EVERYONE,
    NEEDED,
    SITE_NEEDED,
    Action,
    ListAccess,
    Principal,
    Role,
    SiteAction,
    SiteRole,
    may,
    may_at_site,
    role_in,
)

NAMES = ("token:ci", "token:web", "anna", "local")
GROUPS = ("group:staff", "group:guests")
LISTS = ("primes", "hosts", "passwords")
HOLDERS = (*NAMES, *GROUPS, EVERYONE)

scopes = st.none() | st.frozensets(st.sampled_from(LISTS))
principals = st.builds(
    Principal,
    st.sampled_from(NAMES),
    st.frozensets(st.sampled_from(GROUPS)),
    st.frozensets(st.sampled_from(SiteRole)),
    st.sampled_from(Role),
    scopes,
)
held_roles = st.dictionaries(
    st.sampled_from([role.name.lower() for role in Role]),
    st.lists(st.sampled_from(HOLDERS), max_size=3).map(tuple),
)
accesses = st.builds(ListAccess, st.sampled_from(LISTS), st.sampled_from(NAMES), held_roles)


def with_(principal: Principal, **other: Any) -> Principal:
    """Give the same principal but for some of it."""
    fields = {name: getattr(principal, name) for name in Principal.__struct_fields__}
    return Principal(**(fields | other))


def rank(role: Role | None) -> int:
    return 0 if role is None else int(role)


@given(principals, accesses)
def test_who_may_do_something_may_do_all_that_a_lesser_role_may(principal: Principal, access: ListAccess) -> None:
    allowed = [may(principal, action, access) for action in (Action.VIEW, Action.WORK, Action.CHANGE)]
    assert allowed == sorted(allowed, reverse=True)
    assert sum(allowed) == rank(role_in(principal, access))


@given(principals, accesses, st.sampled_from(Role), st.sampled_from(HOLDERS))
def test_to_be_given_a_role_never_takes_another_away(
    principal: Principal, access: ListAccess, role: Role, holder: str
) -> None:
    name = role.name.lower()
    more = ListAccess(access.name, access.owner, {**access.roles, name: (*access.roles.get(name, ()), holder)})
    assert rank(role_in(principal, more)) >= rank(role_in(principal, access))


@given(principals, accesses)
def test_a_scope_never_gives_more_than_the_role_in_the_list(principal: Principal, access: ListAccess) -> None:
    unscoped = role_in(with_(principal, role_max=Role.OWNER, lists=None), access)
    assert rank(role_in(principal, access)) <= min(rank(unscoped), principal.role_max)
    if principal.lists is None or access.name in principal.lists:
        assert rank(role_in(principal, access)) == min(rank(unscoped), principal.role_max), "nor any less"


@given(principals, accesses, scopes)
def test_a_scope_of_lists_shuts_out_all_others(principal: Principal, access: ListAccess, lists: Any) -> None:
    scoped = with_(principal, lists=lists)
    if lists is not None and access.name not in lists:
        assert role_in(scoped, access) is None
        assert not any(may(scoped, action, access) for action in Action)
    else:
        assert role_in(scoped, access) == role_in(with_(principal, lists=None), access)


@given(principals, accesses)
def test_an_admin_and_the_owner_have_every_list_within_their_scope(principal: Principal, access: ListAccess) -> None:
    everything = with_(principal, role_max=Role.OWNER, lists=None)
    assert role_in(with_(everything, site_roles=frozenset({SiteRole.ADMIN})), access) is Role.OWNER
    assert role_in(with_(everything, name=access.owner, site_roles=frozenset()), access) is Role.OWNER
    lesser = with_(principal, lists=None, site_roles=frozenset({SiteRole.ADMIN}))
    assert role_in(lesser, access) is principal.role_max


@given(principals, accesses)
def test_site_roles_but_an_admins_give_nothing_in_a_list(principal: Principal, access: ListAccess) -> None:
    some = principal.site_roles - {SiteRole.ADMIN}
    without = with_(principal, site_roles=frozenset())
    assert role_in(with_(principal, site_roles=some), access) == role_in(without, access)


@given(principals, st.sampled_from(LISTS))
def test_a_stranger_is_nothing_to_a_list(principal: Principal, name: str) -> None:
    stranger = with_(principal, name="nobody", site_roles=frozenset())
    others = ListAccess(name, "somebody", {role.name.lower(): ("else", "group:else") for role in Role})
    assert role_in(stranger, others) is None


@given(accesses)
def test_everyone_is_everyone_but_not_who_is_not_signed_in_to_that_list(access: ListAccess) -> None:
    shared = ListAccess(access.name, "somebody", {"worker": (EVERYONE,)})
    assert role_in(Principal("nobody"), shared) is Role.WORKER
    assert role_in(Principal("nobody", lists=frozenset()), shared) is None


@given(principals, st.sampled_from(SiteAction), st.sampled_from(SiteRole))
def test_one_more_site_role_never_takes_a_right_away(principal: Principal, action: SiteAction, role: SiteRole) -> None:
    more = with_(principal, site_roles=principal.site_roles | {role})
    assert may_at_site(more, action) >= may_at_site(principal, action)
    assert may_at_site(with_(principal, site_roles=frozenset()), action) is False
    assert may_at_site(with_(principal, site_roles=frozenset({SiteRole.ADMIN})), action)


@pytest.mark.parametrize(
    ("role", "actions"),
    [
        (SiteRole.CREATOR, {SiteAction.CREATE_LISTS}),
        (SiteRole.AUDITOR, {SiteAction.READ_AUDIT, SiteAction.READ_METRICS}),
        (SiteRole.ADMIN, set(SiteAction)),
    ],
)
def test_each_site_role_gives_its_rights_and_no_other(role: SiteRole, actions: set[SiteAction]) -> None:
    one = Principal("p", site_roles=frozenset({role}))
    assert {action for action in SiteAction if may_at_site(one, action)} == actions


def test_every_action_needs_something() -> None:
    assert set(NEEDED) == set(Action)
    assert set(SITE_NEEDED) == set(SiteAction)
    assert all(SITE_NEEDED.values())


def test_a_role_of_a_newer_version_is_passed_by() -> None:
    access = ListAccess("primes", "somebody", {"reviewer": ("anna",), "viewer": ("anna",)})
    assert role_in(Principal("anna"), access) is Role.VIEWER
