"""`ApiServer`: calls to the API server of Kubernetes, with the credentials that kubectl would use."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import urllib3

from teamtask.ledger.errors import TeamtaskError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CALL_SECONDS = 10.0
WATCH_SECONDS = 300
SILENCE_SECONDS_MAX = 90.0  # of a watch: there is a bookmark each minute
CONNECTIONS_MAX = 16
CONFLICT, NOT_FOUND, GONE, TOO_MANY_REQUESTS, SERVER_ERRORS = 409, 404, 410, 429, 500
UNREACHED = 0
MERGE_PATCH = "application/merge-patch+json"
OK_END = 400


class KubernetesError(TeamtaskError):
    """The API server refused a call, or could not be reached (status 0)."""

    code = "kubernetes"

    def __init__(self, message: str, status: int = 0, hint: str | None = None) -> None:
        """Keep the HTTP status."""
        super().__init__(message, hint=hint)
        self.status = status

    @property
    def may_pass(self) -> bool:
        """Whether asking again may help."""
        return self.status in (UNREACHED, TOO_MANY_REQUESTS) or self.status >= SERVER_ERRORS


class ApiServer:
    """Calls with JSON in and out; safe for threads."""

    def __init__(self, context: str | None = None) -> None:
        """Take the credentials of a context of the kubeconfig, or of the pod that this runs in.

        Raises KubernetesError where there are none.
        """
        try:
            from kubernetes import config
            from kubernetes.client import Configuration
        except ImportError as error:
            hint = "pip install 'teamtask[kubernetes]'"
            raise KubernetesError("The client for Kubernetes is not installed.", hint=hint) from error
        self._configuration = Configuration()
        try:
            if context is None and _is_pod_without_kubeconfig():
                config.load_incluster_config(self._configuration)  # type: ignore[no-untyped-call] # has none
            else:
                config.load_kube_config(context=context, client_configuration=self._configuration)  # type: ignore[no-untyped-call] # has none
        except config.ConfigException as error:
            hint = "Set KUBECONFIG, or run this in a pod; `kubectl config get-contexts` lists the contexts."
            raise KubernetesError(f"There are no credentials for Kubernetes: {error}", hint=hint) from error
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
        """Make a call and give the document of its answer, after twice `seconds` at most. Raises KubernetesError."""
        response = self._request(method, path, body, query, seconds)
        return dict(json.loads(response.data)) if response.data else {}

    def watch(self, path: str, query: Mapping[str, str | int]) -> Iterator[dict[str, Any]]:
        """Give the events of a watch as they come, until the API server ends it. Raises KubernetesError."""
        asked: dict[str, str | int] = {"watch": 1, "allowWatchBookmarks": "true", "timeoutSeconds": WATCH_SECONDS}
        asked |= query
        response = self._request("GET", path, None, asked, SILENCE_SECONDS_MAX, stream=True)
        try:
            rest = b""
            for part in response.stream():
                *lines, rest = (rest + part).split(b"\n")
                for line in lines:
                    yield json.loads(line)
        except urllib3.exceptions.HTTPError as error:
            raise KubernetesError(f"The watch broke off: {error}.") from error
        finally:
            response.close()

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
        settings: Any = self._configuration.auth_settings()  # asked each time: tokens of pods change
        for setting in settings.values():
            headers[setting["key"]] = setting["value"]
        if body is not None:
            headers["Content-Type"] = MERGE_PATCH if method == "PATCH" else "application/json"
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


def _is_pod_without_kubeconfig() -> bool:
    has_kubeconfig = bool(os.environ.get("KUBECONFIG")) or Path("~/.kube/config").expanduser().exists()
    return not has_kubeconfig and "KUBERNETES_SERVICE_HOST" in os.environ


def _refusal(response: urllib3.BaseHTTPResponse) -> KubernetesError:
    try:
        said = json.loads(response.data)
        message = str(said.get("message") or "")
    except (ValueError, AttributeError):
        message = ""
    return KubernetesError(message or f"The API server answered {response.status}.", response.status)
