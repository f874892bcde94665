"""`refusal_of`: what the API server of Kubernetes refuses, in the words and codes of the web API.

`NotInKubernetes` is what a Worklist cannot do.
"""

from __future__ import annotations

from typing import Final

from teamtask.client.answers import ApiError, ServerUnreachable
from teamtask.kube.kubernetes_error import (
    CONFLICT,
    FORBIDDEN,
    NOT_FOUND,
    SERVER_ERRORS,
    TOO_MANY_REQUESTS,
    KubernetesError,
)
from teamtask.ledger.errors import TeamtaskError

BAD_REQUEST, UNAUTHORIZED, UNPROCESSABLE = 400, 401, 422
_STATUS_OF_CODE: Final = {
    "fold_cannot_be_divided": CONFLICT,
    "name_taken": CONFLICT,
    "not_found": NOT_FOUND,
    "wrong_state": CONFLICT,
}
_CODES: Final = {
    BAD_REQUEST: "invalid_field",
    UNAUTHORIZED: "unauthorized",
    FORBIDDEN: "forbidden",
    NOT_FOUND: "not_found",
    CONFLICT: "conflict",
    UNPROCESSABLE: "invalid_field",
    TOO_MANY_REQUESTS: "overloaded",
}
QUOTA_HINT: Final = "`kubectl describe quota` in the namespace tells what it may have, and what there is."
_HINTS: Final = {
    UNAUTHORIZED: "`kubectl auth whoami` tells whom the cluster takes you for.",
    FORBIDDEN: "A rolebinding of teamtask-worker, teamtask-editor or teamtask-viewer in the namespace gives the right.",
}


class NotInKubernetes(TeamtaskError):
    """A Worklist in Kubernetes cannot do that."""

    code = "not_in_kubernetes"
    hint = "A server (`teamtask serve`) can."


class NoSuchWorklist(TeamtaskError):
    """There is no Worklist of this name."""

    code = "not_found"


class NameTaken(TeamtaskError):
    """There is a Worklist of this name already."""

    code = "name_taken"


def refusal_of(error: TeamtaskError) -> ApiError | ServerUnreachable:
    """Give what a connection raises for an error of the cluster's, or of the translation."""
    if isinstance(error, (ApiError, ServerUnreachable)):
        return error
    if not isinstance(error, KubernetesError):
        status = _STATUS_OF_CODE.get(error.code, UNPROCESSABLE)
        told = ApiError(status, error.message, code=error.code, hint=error.hint, field=error.field)
        told.detail = error.detail
        return told
    if not error.status:
        return ServerUnreachable(error.message, was_sent=True, hint=error.hint)
    if error.status == NOT_FOUND and not error.reason:
        message = "This cluster does not know Worklists and Blocks."
        return ApiError(NOT_FOUND, message, code="not_installed", hint="teamtask crds | kubectl apply -f -")
    if error.status >= SERVER_ERRORS:
        return ApiError(503, error.message, code="kubernetes", hint=error.hint)
    hint = error.hint or (QUOTA_HINT if error.quota_words else _HINTS.get(error.status))
    return ApiError(error.status, error.message, code=_CODES.get(error.status, "kubernetes"), hint=hint)
