"""`may`: whether a principal may do something to a list or at a site; pure, and asked by the service alone."""

from __future__ import annotations

from enum import IntEnum, StrEnum

from msgspec import Struct

EVERYONE = "everyone"
LOCAL = "local"  # the principal of runs on this machine, and the owner of their lists


class Role(IntEnum):
    """What somebody is to a list; each may do all that those below it may."""

    VIEWER = 1
    WORKER = 2
    OWNER = 3


class SiteRole(StrEnum):
    """What somebody is to a whole site; an admin is everything, and the owner of every list."""

    CREATOR = "creator"
    AUDITOR = "auditor"
    ADMIN = "admin"


ROLES = {role.name.lower(): role for role in Role}


class Principal(Struct, frozen=True):
    """Who is calling, as `auth` has proven it.

    `name` is that of a token ("token:ci") or a user, and with it what leases belong to; `role_max` and `lists` (names)
    are the scope of the token: of that and the list's role the lesser holds.
    """

    name: str
    groups: frozenset[str] = frozenset()
    site_roles: frozenset[SiteRole] = frozenset()
    role_max: Role = Role.OWNER
    lists: frozenset[str] | None = None


class ListAccess(Struct, frozen=True):
    """Whose a list is, and to whom it has given roles: by role's name, those it holds for.

    They are names of principals ("token:ci"), groups ("group:staff"), or "everyone".
    """

    name: str
    owner: str
    roles: dict[str, tuple[str, ...]] = {}


class Action(StrEnum):
    """What can be done to a list."""

    VIEW = "view"
    WORK = "work"
    CHANGE = "change"


class SiteAction(StrEnum):
    """What can be done at a site, beside its lists."""

    CREATE_LISTS = "create_lists"
    READ_AUDIT = "read_audit"
    MANAGE_TOKENS = "manage_tokens"
    READ_METRICS = "read_metrics"


NEEDED: dict[Action, Role] = {Action.VIEW: Role.VIEWER, Action.WORK: Role.WORKER, Action.CHANGE: Role.OWNER}
SITE_NEEDED: dict[SiteAction, frozenset[SiteRole]] = {
    SiteAction.CREATE_LISTS: frozenset({SiteRole.CREATOR, SiteRole.ADMIN}),
    SiteAction.READ_AUDIT: frozenset({SiteRole.AUDITOR, SiteRole.ADMIN}),
    SiteAction.MANAGE_TOKENS: frozenset({SiteRole.ADMIN}),
    SiteAction.READ_METRICS: frozenset({SiteRole.AUDITOR, SiteRole.ADMIN}),
}


def role_in(principal: Principal, access: ListAccess) -> Role | None:
    """Give what a principal is to a list; None for a stranger."""
    if principal.lists is not None and access.name not in principal.lists:
        return None
    if SiteRole.ADMIN in principal.site_roles or principal.name == access.owner:
        return principal.role_max
    them = {principal.name, EVERYONE, *principal.groups}
    held = [ROLES[role] for role, holders in access.roles.items() if role in ROLES and not them.isdisjoint(holders)]
    return min(max(held), principal.role_max) if held else None


def may(principal: Principal, action: Action, access: ListAccess) -> bool:
    """Tell whether a principal may do this to a list."""
    role = role_in(principal, access)
    return role is not None and role >= NEEDED[action]


def may_at_site(principal: Principal, action: SiteAction) -> bool:
    """Tell whether a principal may do this at the site."""
    return not principal.site_roles.isdisjoint(SITE_NEEDED[action])
