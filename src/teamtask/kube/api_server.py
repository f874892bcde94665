"""`ApiServer`: calls to the API server of Kubernetes, with the credentials that kubectl would use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import urllib3

from teamtask.kube.credentials import load_credentials
from teamtask.kube.documents import decoded
from teamtask.kube.kubernetes_error import (
    CONFLICT,
    GONE,
    NOT_FOUND,
    SERVER_ERRORS,
    TOO_MANY_REQUESTS,
    UNREACHED,
    KubernetesError,
)
from teamtask.kube.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CALL_SECONDS = 10.0
WATCH_SECONDS = 300
SILENCE_SECONDS_MAX = 90.0  # of a watch: there is a bookmark each minute
CONNECTIONS_MAX = 16
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
OK_END = 400

__all__ = [
    "CONFLICT",
    "GONE",
    "NOT_FOUND",
    "SERVER_ERRORS",
    "TOO_MANY_REQUESTS",
    "UNREACHED",
    "ApiServer",
    "KubernetesError",
]


class ApiServer:
    """Calls with JSON in and out; safe for threads."""

    def __init__(self, context: str | None = None, token: str | None = None) -> None:
        """Take the credentials of a context of the kubeconfig, or of the pod that this runs in.

        With a `token` that says who we are, and nothing else does. Raises KubernetesError where there are none.
        """
        self._configuration, self.namespace = load_credentials(context)
        self._token = token
        if token is not None:
            self._configuration.cert_file = self._configuration.key_file = None
        self._host: str = self._configuration.host
        self._pool = urllib3.PoolManager(
            maxsize=CONNECTIONS_MAX,
            ca_certs=self._configuration.ssl_ca_cert,
            cert_file=self._configuration.cert_file,
            key_file=self._configuration.key_file,
            cert_reqs="CERT_REQUIRED" if self._configuration.verify_ssl else "CERT_NONE",
            retries=False,
        )

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        query: Mapping[str, str | int] | None = None,
        *,
        seconds: float = CALL_SECONDS,
    ) -> dict[str, Any]:
        """Make a call and give the document of its answer, after twice `seconds` at most. Raises KubernetesError.

        A PATCH is a merge patch, or a list of operations (RFC 6902).
        """
        response = self._request(method, path, body, query, seconds)
        return dict(decoded(response.data)) if response.data else {}

    def watch(self, path: str, query: Mapping[str, str | int]) -> Iterator[dict[str, Any]]:
        """Give the events of a watch as they come, until the API server ends it. Raises KubernetesError."""
        yield from self.open_watch(path, query)

    def open_watch(self, path: str, query: Mapping[str, str | int]) -> Watch:
        """Begin a watch. Raises KubernetesError."""
        asked: dict[str, str | int] = {"watch": 1, "allowWatchBookmarks": "true", "timeoutSeconds": WATCH_SECONDS}
        asked |= query
        return Watch(self._request("GET", path, None, asked, SILENCE_SECONDS_MAX, stream=True))

    def close(self) -> None:
        """Close the connections that are open. A later call opens new ones."""
        self._pool.clear()

    def _request(
        self,
        method: str,
        path: str,
        body: object,
        query: Mapping[str, str | int] | None,
        seconds: float,
        *,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        else:
            settings: Any = self._configuration.auth_settings()  # asked each time: tokens of pods change
            for setting in settings.values():
                headers[setting["key"]] = setting["value"]
        if body is not None:
            patch = JSON_PATCH if isinstance(body, list) else MERGE_PATCH
            headers["Content-Type"] = patch if method == "PATCH" else "application/json"
        url = f"{self._host}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            response = self._pool.request(
                method, url, headers=headers, body=None if body is None else json.dumps(body).encode(),
                timeout=urllib3.Timeout(connect=min(seconds, CALL_SECONDS), read=seconds), preload_content=not stream,
            )  # fmt: skip
        except urllib3.exceptions.HTTPError as error:
            hint = "`kubectl get --raw=/readyz` tells whether it answers."
            raise KubernetesError(f"The API server at {self._host} could not be reached: {error}", hint=hint) from error
        if response.status >= OK_END:
            raise _refusal(response)
        return response


def _refusal(response: urllib3.BaseHTTPResponse) -> KubernetesError:
    try:
        said = json.loads(response.data)
        message, reason = str(said.get("message") or ""), str(said.get("reason") or "")
    except (ValueError, AttributeError):
        message = reason = ""
    message = message or f"The API server answered {response.status}."
    return KubernetesError(message, response.status, reason=reason)
