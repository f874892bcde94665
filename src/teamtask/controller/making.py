"""`Maker`: creates pods, Blocks and Jobs; what the API server refuses is remembered, and tried again later."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from teamtask.controller.manifests import template_hash, trial_pod
from teamtask.controller.setbacks import Setbacks, trouble_of_refusal
from teamtask.kube import objects as o
from teamtask.kube import workloads as w
from teamtask.kube.kubernetes_error import CONFLICT, FORBIDDEN, NOT_FOUND, KubernetesError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from teamtask.controller.working import Trouble
    from teamtask.kube.api_server import ApiServer

    Together = Callable[[Sequence[Callable[[], None]]], None]
    Documents = list[tuple[str, dict[str, Any]]]  # with the names

REFUSED = {400, 413, 422}  # for what it is: the same would be refused again
STRICT = {"fieldValidation": "Strict"}
CREATING, BLOCKS, TEMPLATE = "creating", "creating blocks", "template"  # of what there is a setback
TRIAL = "trial"
POD_SETBACK = "pod "
TEMPLATE_SECONDS_MAX = 60.0  # an admission webhook or a policy may have been mended


class Memory(Struct):
    """What is remembered of a list between two looks at it; nothing that may not be forgotten."""

    asked: dict[str, float] = field(default_factory=dict)  # what was created, and when
    others: dict[str, float] = field(default_factory=dict)  # names of Blocks of other lists, and when they were met
    taken: str = ""  # the template that the API server has taken
    refused: str = ""  # the one that it has not
    setbacks: Setbacks = field(default_factory=Setbacks)
    trials: Setbacks = field(default_factory=Setbacks)  # why the pool has too few pods, and when to find out again
    live: int = 0
    writes: int = 0  # of this look
    ended_since: float | None = None  # since when all pods of the Job have ended


class Maker:
    """Used by the one thread that decides; writes go to several at once. No refusal is raised."""

    def __init__(self, server: ApiServer, together: Together) -> None:
        """Use `together` to carry out calls."""
        self._server = server
        self._together = together

    def waits(self, memory: Memory, worklist: o.Worklist, now: float) -> bool:
        """Tell whether it is too early to create pods or a Job; another template than the refused one need not wait."""
        if memory.refused and memory.refused != template_hash(worklist):
            memory.refused = ""
            memory.setbacks.clear(TEMPLATE)
        return memory.setbacks.waits(CREATING, now) or memory.setbacks.waits(TEMPLATE, now)

    def create_job(self, memory: Memory, worklist: o.Worklist, job: dict[str, Any], now: float) -> None:
        """Create the Job of a list's pool."""
        path = w.jobs_path(worklist.metadata.namespace)
        try:
            self._server.call("POST", path, job, STRICT)
        except KubernetesError as error:
            if error.is_taken_name:
                taken = ("NameTaken", f"There is another Job of this name: {error}"[: o.MESSAGE_CHARACTERS_MAX])
                memory.setbacks.note(CREATING, taken, now)
            else:
                _note_refused_template(memory, worklist, error, now)
        else:
            _note_taken_template(memory, worklist)
            memory.asked[worklist.metadata.name] = now

    def takes_template(self, memory: Memory, worklist: o.Worklist, now: float) -> bool:
        """Ask the API server once for each template whether it would take such a pod."""
        if memory.taken == template_hash(worklist):
            return True
        try:
            self._try_pod(worklist)
        except KubernetesError as error:
            if not error.is_taken_name:  # else it would be taken, were there not one of its name
                _note_refused_template(memory, worklist, error, now)
                return False
        _note_taken_template(memory, worklist)
        return True

    def _try_pod(self, worklist: o.Worklist) -> None:
        """See whether the API server would take a pod of a list's template. Raises KubernetesError."""
        query = STRICT | {"dryRun": "All"}
        self._server.call("POST", w.pods_path(worklist.metadata.namespace), trial_pod(worklist), query)

    def why_missing(self, memory: Memory, worklist: o.Worklist, known: Trouble, now: float) -> Trouble:
        """Find why a Job has too few pods: what the API server says of one more, or else what is `known`.

        The Job itself does not tell; so the API server is asked now and then, as a pod for a block would be.
        """
        if not memory.trials.waits(TRIAL, now):
            trouble = known
            memory.writes += 1
            try:
                self._try_pod(worklist)
            except KubernetesError as error:
                if error.status == FORBIDDEN or error.status in REFUSED:
                    trouble = trouble_of_refusal(error)
            memory.trials.note(TRIAL, trouble, now)
        found = memory.trials.trouble_with(TRIAL, now)
        return known if found is None or found[0] == known[0] else found

    def create_blocks(self, memory: Memory, path: str, blocks: Documents, now: float) -> None:
        """Create Blocks; a name that is taken is passed over from now on."""
        refusals = self._create(memory, path, blocks, now)
        memory.others |= {name: now for name, error in refusals.items() if error.is_taken_name}
        _note_refusals(memory, BLOCKS, refusals, now)

    def create_pods(
        self, memory: Memory, worklist: o.Worklist, path: str, pods: Documents, now: float
    ) -> dict[str, str]:
        """Create pods; give those that are refused though their template is not, by name, with the words."""
        refusals = self._create(memory, path, pods, now)
        for name, error in refusals.items():
            if error.is_taken_name:
                memory.setbacks.note(pod_setback(name), ("NameTaken", str(error)), now)
        refused = {name: str(error) for name, error in refusals.items() if error.status in REFUSED}
        if refused:
            memory.taken = ""
            return refused if self.takes_template(memory, worklist, now) else {}
        _note_refusals(memory, CREATING, refusals, now)
        return {}

    def _create(self, memory: Memory, path: str, documents: Documents, now: float) -> dict[str, KubernetesError]:
        """Create one, then two, then four at once, until one is refused for more than its name; give the refusals."""
        refusals: dict[str, KubernetesError] = {}
        begun, size = 0, 1
        while begun < len(documents) and all(error.is_taken_name for error in refusals.values()):
            some = documents[begun : begun + size]
            memory.writes += len(some)
            self._together([partial(self._create_one, memory, path, one, now, refusals) for one in some])
            begun, size = begun + size, 2 * size
        return refusals

    def _create_one(
        self,
        memory: Memory,
        path: str,
        one: tuple[str, dict[str, Any]],
        now: float,
        refusals: dict[str, KubernetesError],
    ) -> None:
        name, document = one
        try:
            try:
                self._server.call("POST", path, document)
            except KubernetesError as error:
                if not error.is_taken_name:
                    raise
                self._check_is_ours(f"{path}/{name}", document)
        except KubernetesError as error:
            refusals[name] = error
        else:
            memory.asked[name] = now

    def _check_is_ours(self, path: str, document: dict[str, Any]) -> None:
        """See that what has a name already was made for the same object. Raises KubernetesError."""
        try:
            found = msgspec.convert(self._server.call("GET", path), o.Named)
        except KubernetesError as error:
            if error.status != NOT_FOUND:
                raise
            return
        metadata = document["metadata"]
        owner = metadata["ownerReferences"][0]
        if not w.is_owned_by(found.metadata, owner["uid"], owner["kind"]):
            raise KubernetesError(f"There is another {document['kind']} {metadata['name']}.", CONFLICT)


def pod_setback(name: str) -> str:
    """Name what is wrong with one pod alone."""
    return f"{POD_SETBACK}{name}"


def _note_refusals(memory: Memory, what: str, refusals: dict[str, KubernetesError], now: float) -> None:
    """Remember why nothing can be made; where only names were taken, something can."""
    error = next((error for error in refusals.values() if not error.is_taken_name), None)
    if error is None:
        memory.setbacks.clear(what)
    else:
        memory.setbacks.note(what, trouble_of_refusal(error), now)


def _note_taken_template(memory: Memory, worklist: o.Worklist) -> None:
    memory.taken, memory.refused = template_hash(worklist), ""
    memory.setbacks.clear(TEMPLATE)
    memory.setbacks.clear(CREATING)


def _note_refused_template(memory: Memory, worklist: o.Worklist, error: KubernetesError, now: float) -> None:
    """Remember that no such pod is taken, or why nobody can tell."""
    if error.status in REFUSED:
        memory.refused = template_hash(worklist)
        words = str(error)[: o.MESSAGE_CHARACTERS_MAX]
        memory.setbacks.note(TEMPLATE, ("TemplateRefused", words), now, TEMPLATE_SECONDS_MAX)
        memory.setbacks.clear(CREATING)
    else:
        memory.setbacks.note(CREATING, trouble_of_refusal(error), now)
