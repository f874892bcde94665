"""`Audited`: what the API server says of the requests in some namespaces, by its audit log."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LOGS = files.STATE / "logs"
FORBIDDEN = 403
_ROLE = re.compile(r'of ClusterRole "teamtask-(\w+)"')

Right = tuple[str, str, str]  # API group, resource with its subresource, verb


class Audited(NamedTuple):
    """Which rights each of our roles gave, the accounts that have had the controller's, and what was refused."""

    used: dict[str, set[Right]]
    controllers: set[str]
    refused: list[tuple[str, str]]  # an account, and the API server's words

    def refused_to_controllers(self) -> list[str]:
        """Give the words in which something was refused to a controller."""
        return [said for account, said in self.refused if account in self.controllers]


def audited(namespaces: Iterable[str]) -> Audited:
    """Read the log, as far as it is about namespaces whose names begin so, or accounts of theirs."""
    found = Audited({}, set(), [])
    for event in _events(tuple(namespaces)):
        user = _user(event)
        reason = event.get("annotations", {}).get("authorization.k8s.io/reason", "")
        if role := _ROLE.search(reason):
            found.used.setdefault(role[1], set()).add(_right(event))
            if role[1] == "controller":
                found.controllers.add(user)
        status = event.get("responseStatus", {})
        if status.get("code") == FORBIDDEN:
            found.refused.append((user, f"{event['verb']} {event['requestURI']}: {status.get('message')}"))
    return found


def _user(event: dict[str, Any]) -> str:
    return str(event["user"].get("username", ""))  # none, where a token was nobody's


def _right(event: dict[str, Any]) -> Right:
    what = event["objectRef"]
    subresource = f"/{what['subresource']}" if "subresource" in what else ""
    return what.get("apiGroup", ""), what["resource"] + subresource, event["verb"]


def _events(namespaces: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    accounts = tuple(f"system:serviceaccount:{namespace}" for namespace in namespaces)
    marks = tuple(namespace.encode() for namespace in namespaces)
    for log in sorted(LOGS.glob("audit*")):
        with log.open("rb") as lines:
            for line in lines:
                if not any(mark in line for mark in marks):
                    continue
                event = json.loads(line)
                where = event.get("objectRef", {}).get("namespace", "")
                if where.startswith(namespaces) or _user(event).startswith(accounts):
                    yield event
