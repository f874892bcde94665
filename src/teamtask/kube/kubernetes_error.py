"""`KubernetesError`: the API server refused a call, or could not be reached."""

from __future__ import annotations

import re
from typing import Final

from teamtask.ledger.errors import TeamtaskError

CONFLICT, NOT_FOUND, GONE, TOO_MANY_REQUESTS, SERVER_ERRORS = 409, 404, 410, 429, 500
UNREACHED = 0
FORBIDDEN = 403
# No more than there is may be there; it is being counted for the first time; others were counted at this moment.
_QUOTA: Final = re.compile(
    "(exceeded quota: |status unknown for quota: |Operation cannot be fulfilled on resourcequotas ).*", re.DOTALL
)


class KubernetesError(TeamtaskError):
    """The API server refused a call, or could not be reached (status 0)."""

    code = "kubernetes"

    def __init__(self, message: str, status: int = 0, hint: str | None = None, reason: str = "") -> None:
        """Keep the HTTP status, and the reason in one word if the API server gave one."""
        super().__init__(message, hint=hint)
        self.status = status
        self.reason = reason

    @property
    def may_pass(self) -> bool:
        """Whether asking again may help."""
        return self.status in (UNREACHED, TOO_MANY_REQUESTS) or self.status >= SERVER_ERRORS

    @property
    def is_taken_name(self) -> bool:
        """Whether there is an object of this name already."""
        return self.status == CONFLICT and not self.quota_words

    @property
    def quota_words(self) -> str:
        """What the API server says of a ResourceQuota that has no room now; empty for any other refusal."""
        found = _QUOTA.search(self.message) if self.status in (FORBIDDEN, CONFLICT) else None
        return found[0] if found is not None else ""
