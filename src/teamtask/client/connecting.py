"""`connection_to`: the way to whatever an address names, a server or a namespace of Kubernetes."""

from __future__ import annotations

from teamtask.client.cluster.address import is_cluster_address
from teamtask.client.connection import RETRY_SECONDS, Connection


def connection_to(url: str, token: str | None, *, retry_seconds: float = RETRY_SECONDS) -> Connection:
    """Give a connection.

    Raises InvalidField for an address or a token that is none, KubernetesError for a cluster without credentials.
    """
    if not is_cluster_address(url):
        return Connection(url, token, retry_seconds=retry_seconds)
    from teamtask.client.cluster.cluster_transport import ClusterTransport  # who has a server needs none of it

    return Connection(url, token, retry_seconds=retry_seconds, transport=ClusterTransport(url, token))
