"""`who_we_are`: the user that the API server takes us for, and the pod that we run in, by our own credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from teamtask.kube.api_server import ApiServer

_PATH = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
_EXTRA = "authentication.kubernetes.io/"
_ACCOUNT = "system:serviceaccount:"


class Identity(NamedTuple):
    """A user's name and groups; with a token that a pod was given also the pod's name, uid and namespace."""

    user: str
    groups: tuple[str, ...] = ()
    pod: str | None = None
    pod_uid: str | None = None
    pod_namespace: str | None = None


def who_we_are(server: ApiServer) -> Identity:
    """Ask the API server. Raises KubernetesError."""
    info = server.call("POST", _PATH, _REVIEW)["status"]["userInfo"]
    user, extra = str(info["username"]), info.get("extra") or {}
    groups = tuple(map(str, info.get("groups") or ()))
    pod = (extra.get(f"{_EXTRA}pod-name") or [None])[0]
    if pod is None:
        return Identity(user, groups)
    uid = (extra.get(f"{_EXTRA}pod-uid") or [None])[0]
    return Identity(user, groups, pod, uid, user.removeprefix(_ACCOUNT).partition(":")[0])
