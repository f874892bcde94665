"""`Maker`: creates pods, Blocks and Jobs; what the API server refuses is remembered, and tried again later."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from teamtask.controller.manifests import template_hash, trial_pod
from teamtask.controller.working import Trouble
from teamtask.kube import objects as o
from teamtask.kube import workloads as w
from teamtask.kube.api_server import CONFLICT, NOT_FOUND, KubernetesError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from teamtask.kube.api_server import ApiServer

    Together = Callable[[Sequence[Callable[[], None]]], None]

BAD_REQUEST, FORBIDDEN, UNPROCESSABLE = 400, 403, 422
BACKOFF_SECONDS = 1.0
BACKOFF_MAX_SECONDS = 30.0
DOUBLINGS_MAX = 6
QUOTA = "exceeded quota"
STRICT = {"fieldValidation": "Strict"}


class Memory(Struct):
    """What is remembered of a list between two looks at it; nothing that may not be forgotten."""

    asked: dict[str, float] = field(default_factory=dict)  # what was created, and when
    taken: str = ""  # the template that the API server has taken
    refused: str = ""  # the one that it has not
    trouble: Trouble | None = None
    failures: int = 0
    wait_until: float = 0.0
    live: int = 0
    writes: int = 0  # of this look


class Maker:
    """Used by the one thread that decides; writes go to several at once."""

    def __init__(self, server: ApiServer, together: Together) -> None:
        """Use `together` to carry out calls."""
        self._server = server
        self._together = together

    def create_job(self, memory: Memory, worklist: o.Worklist, job: dict[str, Any], now: float) -> None:
        """Create the Job of a list's pool, unless its template was refused."""
        if memory.refused == template_hash(worklist):
            return
        path = w.jobs_path(worklist.metadata.namespace)
        try:
            self._server.call("POST", path, job, STRICT)
        except KubernetesError as error:
            if error.status == CONFLICT:
                self._have_trouble(memory, now, "NameTaken", f"There is another Job of this name: {error}")
            else:
                self._take_refusal(memory, worklist, error, now)
        else:
            memory.trouble, memory.failures = None, 0
            memory.asked[worklist.metadata.name] = now

    def takes_template(self, memory: Memory, worklist: o.Worklist, now: float) -> bool:
        """Ask the API server once for each template whether it would take such a pod."""
        template = template_hash(worklist)
        if memory.taken == template:
            return True
        if memory.refused == template:
            return False
        query = STRICT | {"dryRun": "All"}
        try:
            self._server.call("POST", w.pods_path(worklist.metadata.namespace), trial_pod(worklist), query)
        except KubernetesError as error:
            self._take_refusal(memory, worklist, error, now)
            return False
        memory.taken, memory.refused, memory.trouble, memory.failures = template, "", None, 0
        return True

    def create(
        self, memory: Memory, worklist: o.Worklist, path: str, documents: list[tuple[str, dict[str, Any]]], now: float
    ) -> None:
        """Create these, by name: one, then two, then four at once, until one is refused, as the others would be."""
        refusals: list[KubernetesError] = []
        begun, size = 0, 1
        while begun < len(documents) and not refusals:
            some = documents[begun : begun + size]
            memory.writes += len(some)
            self._together([partial(self._create_one, memory, path, one, now, refusals) for one in some])
            begun, size = begun + size, 2 * size
        if refusals:
            self._take_refusal(memory, worklist, refusals[0], now)
        elif documents:
            memory.trouble, memory.failures = None, 0

    def _create_one(
        self, memory: Memory, path: str, one: tuple[str, dict[str, Any]], now: float, refusals: list[KubernetesError]
    ) -> None:
        name, document = one
        try:
            self._server.call("POST", path, document)
        except KubernetesError as error:
            if error.status != CONFLICT:
                refusals.append(error)
                return
            theirs = self._of_another(f"{path}/{name}", document["metadata"]["ownerReferences"][0])
            if theirs:
                refusals.append(KubernetesError(f"There is another {document['kind']} {name}.", CONFLICT))
                return
        memory.asked[name] = now

    def _of_another(self, path: str, owner: dict[str, Any]) -> bool:
        """Tell whether what has this name was not made for that object."""
        try:
            found = msgspec.convert(self._server.call("GET", path), o.Named)
        except KubernetesError as error:
            if error.status != NOT_FOUND:
                raise
            return False
        return not w.is_owned_by(found.metadata, owner["uid"], owner["kind"])

    def _take_refusal(self, memory: Memory, worklist: o.Worklist, error: KubernetesError, now: float) -> None:
        """Remember why nothing can be made, and when to try again."""
        words = str(error)[: o.MESSAGE_CHARACTERS_MAX]
        if QUOTA in words:
            self._have_trouble(memory, now, "QuotaExceeded", words[words.index(QUOTA) :])
        elif error.status == CONFLICT:
            self._have_trouble(memory, now, "NameTaken", words)
        elif error.status in (BAD_REQUEST, UNPROCESSABLE):
            memory.refused, memory.trouble = template_hash(worklist), ("TemplateRefused", words)
        elif error.status == FORBIDDEN:
            self._have_trouble(memory, now, "Forbidden", words)
        elif error.may_pass or error.status == NOT_FOUND:
            self._have_trouble(memory, now, "NotAnswered", words)
        else:
            raise error

    def _have_trouble(self, memory: Memory, now: float, reason: str, words: str) -> None:
        memory.trouble = (reason, words)
        seconds = min(BACKOFF_MAX_SECONDS, BACKOFF_SECONDS * 2 ** min(memory.failures, DOUBLINGS_MAX))
        memory.failures += 1
        memory.wait_until = now + seconds

    def change(self, memory: Memory, now: float, call: Callable[[], object]) -> None:
        """Change something that is there."""
        try:
            call()
            memory.trouble, memory.failures = None, 0
        except KubernetesError as error:
            if error.status not in (NOT_FOUND, CONFLICT):
                self._have_trouble(memory, now, "NotAnswered", str(error)[: o.MESSAGE_CHARACTERS_MAX])
