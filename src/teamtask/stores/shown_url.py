"""`shown_url`: what may be shown of a store's URL."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

_SECRET_NAMES: Final = frozenset(
    {"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"}
)
_PLACE: Final = r"(\[[^\]]*\]|[^:,]*)(:\d*)?"
_PLACES: Final = re.compile(f"{_PLACE}(,{_PLACE})*")
_ASSIGNED: Final = re.compile(r"(password\s*=\s*)('[^']*'?|\S+)", re.IGNORECASE)


def shown_url(url: str) -> str:
    """Give the URL without its passwords, and otherwise as it is: it leads to the same store.

    Of a URL that is wrong, `***` stands for what may be a part of a password.
    """
    scheme, colon, rest = url.partition(":")
    slashes = "//" if rest.startswith("//") else ""
    rest = rest.removeprefix("//")
    if scheme == "sqlite" and (not slashes or rest.startswith("/")):
        return url  # a path, as it is
    head, mark, query = rest.partition("?")
    if "@" in query:
        return f"{scheme}{colon}{slashes}***"
    before, at, after = head.rpartition("@")
    place, slash, path = after.partition("/")
    if slashes and not _PLACES.fullmatch(place):
        place = "***"
    user = "***" if re.search("[/#@]", before) else before.partition(":")[0]
    kept = "&".join(part for part in query.split("&") if "=" in part and not _is_secret(part))
    text = f"{scheme}{colon}{slashes}{user}{at}{place}{slash}{path}{mark if kept else ''}{kept}"
    return _ASSIGNED.sub(r"\1***", text)


def _is_secret(parameter: str) -> bool:
    return unquote(parameter.partition("=")[0]).strip().lower() in _SECRET_NAMES
