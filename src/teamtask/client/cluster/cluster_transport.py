"""`ClusterTransport`: carries out the calls of the web API on the Worklists and Blocks of a namespace of Kubernetes.

Whoever speaks the web API needs no other code for Kubernetes: the command line, the SDK and the worker loops.
"""

from __future__ import annotations

import json
import os
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from teamtask.client.cluster.address import cluster_address
from teamtask.client.cluster.calls import Asked, Calls, called
from teamtask.client.cluster.lists import Lists
from teamtask.client.cluster.refusals import refusal_of
from teamtask.kube.api_server import ApiServer
from teamtask.ledger.errors import TeamtaskError
from teamtask.wire.views import wire_form

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.client.transport import Request


class Told:
    """An answer that is there as a whole."""

    def __init__(self, data: bytes) -> None:
        self.status = 200 if data else 204
        self.data = data

    def pieces(self) -> Iterator[bytes]:
        """See Answer."""
        if self.data:
            yield self.data

    def close(self) -> None:
        """See Answer."""


class ClusterTransport:
    """The lists of the namespace at `url`, k8s://CONTEXT/NAMESPACE; a `token` is who we are, else the context says it.

    Raises InvalidField for a url that is none, KubernetesError where there are no credentials.
    """

    awaits_items = False
    report_seconds = 0.02  # it lets progress wait itself, and passes on at once what is more

    def __init__(self, url: str, token: str | None) -> None:
        self._address = cluster_address(url)
        self._token = token
        self._lock = Lock()
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._server = ApiServer(self._address.context, self._token)
        namespace = self._address.namespace or self._server.namespace
        self._calls = Calls(Lists(self._server, namespace))
        self.url = f"k8s://{self._address.context or ''}/{namespace}"

    def answer(self, request: Request, *, stream: bool = False) -> Told:  # noqa: ARG002 - nothing is so long
        """See Transport."""
        with self._lock:
            if self._pid != os.getpid():  # two processes cannot share what is open
                self._begin()
        path, _, query = request.target.partition("?")
        body = request.body
        data = b"" if body is None else body if isinstance(body, bytes) else b"".join(body)
        try:
            call, words = called(request.method, path)
            asked = Asked(words, dict(parse_qsl(query)), data, request.headers.get("content-type", ""))
            found = call(self._calls, asked)
        except TeamtaskError as error:
            raise refusal_of(error) from error
        return Told(found if isinstance(found, bytes) else json.dumps(wire_form(found)).encode())

    def more_leases(self, name: str) -> str:
        """See Transport."""
        return f"Larger blocks keep them busy: teamtask set {name} --block-size N"

    def in_the_way(self, name: str) -> str | None:
        """See Transport. A quota may leave no room for a block."""
        return self._calls.in_the_way(name)

    def hurry(self, name: str) -> None:
        """See Transport."""
        self._calls.hurry(name)

    def leave(self, name: str, worker: str) -> None:
        """See Transport."""
        self._calls.leave(name, worker)

    def close(self) -> None:
        """See Transport."""
        self._server.close()
