"""`cluster_address`: k8s://CONTEXT/NAMESPACE, where the lists of a namespace are; either may be left out."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import unquote

from teamtask.ledger.errors import InvalidField

_SCHEME: Final = "k8s://"
_HINT: Final = "For example k8s://staging/primes, or k8s:///primes for the current context."
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class ClusterAddress(NamedTuple):
    """A context of the kubeconfig and a namespace, None for the usual ones: in a pod its account's."""

    context: str | None
    namespace: str | None


def is_cluster_address(url: str) -> bool:
    """Tell whether a url is meant to be one of a cluster."""
    return url.startswith("k8s:")


def cluster_address(url: str) -> ClusterAddress:
    """Read an address; what is before the last slash is the context, which may have slashes. Raises InvalidField."""
    if not url.startswith(_SCHEME) or not url.isprintable():
        raise InvalidField(f"{url!r:.200} is no address of a cluster.", field="url", hint=_HINT)
    rest = url.removeprefix(_SCHEME)
    context, slash, namespace = rest.rpartition("/")
    if not slash:
        context, namespace = rest, ""
    if namespace and not _LABEL.fullmatch(namespace):
        message = f"{namespace!r:.80} is no name of a namespace."
        raise InvalidField(message, field="url", hint=_HINT)
    return ClusterAddress(unquote(context) or None, namespace or None)
