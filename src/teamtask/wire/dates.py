"""`rfc_3339`, `seconds_of`: a date as people and programs read it, in the web API and in Kubernetes."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc_3339(date: float) -> str:
    """Write a date (seconds since 1970) as RFC 3339 in UTC."""
    return datetime.fromtimestamp(date, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def seconds_of(text: str) -> float:
    """Read a date in RFC 3339, as seconds since 1970. Raises ValueError."""
    return datetime.fromisoformat(text).timestamp()
