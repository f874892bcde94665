"""`pools_to`: the connections to a server at its checked address, maybe through a proxy."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError

from teamtask.ledger.errors import InvalidField
from teamtask.settings import DEFAULT_URL, Bind

if TYPE_CHECKING:
    from urllib3 import PoolManager

_CONNECTIONS: Final = 10  # kept open; more threads open more


def checked_url(url: str) -> str:
    """Give the address of a server, which may have a path, without a slash at its end. Raises InvalidField."""
    hint = f"For example {DEFAULT_URL} or https://teamtask.example.org."
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        parts, usable = urlsplit(""), False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidField(f"{url!r:.200} is no address of a server.", field="url", hint=hint)
    if parts.query or parts.fragment or "@" in parts.netloc:
        message = "The address of a server has no user, no query and no fragment."
        raise InvalidField(message, field="url", hint=hint)
    return url.rstrip("/")


def authorization(token: str | None) -> dict[str, str]:
    """Give the header that says who we are. Raises InvalidField for what is no token."""
    if not token:
        return {}
    if not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidField("A token is ASCII, without spaces.", field="token", hint="Was a whole file pasted?")
    return {"authorization": f"Bearer {token}"}


def pools_to(url: str) -> PoolManager:
    """Give the connections to a server, through the proxy that the environment names if it is another machine.

    Certificates are checked against the authorities that this system knows. Raises InvalidField for no such proxy.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxies = getproxies_environment()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    context = ssl.create_default_context() if parts.scheme == "https" else None
    if proxy is None or Bind(host, 0).is_loopback or proxy_bypass(host):
        return urllib3.PoolManager(maxsize=_CONNECTIONS, ssl_context=context)
    try:
        credentials = urllib3.util.parse_url(proxy).auth
        headers = None if credentials is None else urllib3.make_headers(proxy_basic_auth=unquote(credentials))
        return urllib3.ProxyManager(proxy, maxsize=_CONNECTIONS, ssl_context=context, proxy_headers=headers)
    except HTTPError as error:
        message = f"The proxy {proxy!r:.200} of the environment cannot be used: {error}"
        raise InvalidField(message, field="proxy", hint="It is an http:// or https:// address.") from error
