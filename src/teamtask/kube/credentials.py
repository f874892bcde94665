"""`load_credentials`: how to reach an API server as kubectl would: by a context of the kubeconfig, or as a pod."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from teamtask.kube.kubernetes_error import KubernetesError

if TYPE_CHECKING:
    from kubernetes.client import Configuration

_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_USUAL_KUBECONFIG = Path("~/.kube/config")
_NO_CREDENTIALS = "Set KUBECONFIG, or run this in a pod; `kubectl config get-contexts` lists the contexts."


class Credentials(NamedTuple):
    """Where the API server is and who we are; `namespace` is the one that is meant where none is named."""

    configuration: Configuration
    namespace: str


def load_credentials(context: str | None) -> Credentials:
    """Take a context of the kubeconfig, the current one for None, or in a pod without a kubeconfig its account.

    Raises KubernetesError where there are none, or the client for Kubernetes is not installed.
    """
    try:
        from kubernetes import config
        from kubernetes.client import Configuration
    except ImportError as error:
        hint = "pip install 'teamtask[kubernetes]'"
        raise KubernetesError("The client for Kubernetes is not installed.", hint=hint) from error
    configuration = Configuration()
    try:
        if context is None and _is_pod_without_kubeconfig():
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call] # has none
            return Credentials(configuration, _POD_NAMESPACE.read_text().strip())
        config.load_kube_config(context=context, client_configuration=configuration)  # type: ignore[no-untyped-call] # as above
        contexts, current = config.list_kube_config_contexts()  # type: ignore[no-untyped-call] # as above
    except (config.ConfigException, OSError) as error:
        message = f"There are no credentials for Kubernetes: {error}"
        raise KubernetesError(message, hint=_NO_CREDENTIALS) from error
    named = next((one for one in contexts if one["name"] == context), current)
    return Credentials(configuration, named["context"].get("namespace") or "default")


def _is_pod_without_kubeconfig() -> bool:
    has_kubeconfig = bool(os.environ.get("KUBECONFIG")) or _USUAL_KUBECONFIG.expanduser().exists()
    return not has_kubeconfig and "KUBERNETES_SERVICE_HOST" in os.environ
