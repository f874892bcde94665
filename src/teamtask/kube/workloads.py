"""`Pod` and `Job` as far as the controller looks at them."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct, field

from teamtask.kube import objects as o

WORKLIST_LABEL = f"{o.GROUP}/worklist"  # of pods and Jobs that the controller makes
BLOCK_LABEL = f"{o.GROUP}/block"
SEQUENCE_LABEL = f"{o.GROUP}/sequence"
TEMPLATE_ANNOTATION = f"{o.GROUP}/template"  # of a Job: what it was made from
WORKLIST, BLOCK, JOB = "Worklist", "Block", "Job"
ENDED_PHASES = {"Succeeded", "Failed"}


class Metadata(o.Metadata, frozen=True):
    """With labels and annotations, by which these objects are known."""

    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


class _Read(Struct, frozen=True, rename="camel"):
    """A part of an object of Kubernetes' own; the rest is not read."""


class Condition(_Read, frozen=True):
    """Something that is said of a pod or a Job."""

    type: str
    status: str = ""
    reason: str = ""
    message: str = ""


class Terminated(_Read, frozen=True):
    """How a container ended; `message` is what it left in /dev/termination-log, or its last words."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""


class Waiting(_Read, frozen=True):
    """Why a container does not run."""

    reason: str = ""
    message: str = ""


class ContainerState(_Read, frozen=True):
    """What a container does; neither of these when it runs."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(_Read, frozen=True):
    """A container of a pod."""

    name: str
    state: ContainerState = ContainerState()


class Container(_Read, frozen=True):
    """A container as it was asked for."""

    name: str


class PodSpec(_Read, frozen=True):
    """What a pod is to run."""

    containers: list[Container] = []


class PodStatus(_Read, frozen=True):
    """What became of a pod."""

    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    conditions: list[Condition] = []
    init_container_statuses: list[ContainerStatus] = []
    container_statuses: list[ContainerStatus] = []


class Pod(_Read, frozen=True):
    """A pod that works for a list."""

    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return self.status.phase in ENDED_PHASES


class JobSpec(_Read, frozen=True):
    """What a Job is asked for."""

    parallelism: int = 1
    completions: int | None = None
    suspend: bool = False


class JobStatus(_Read, frozen=True):
    """What became of a Job."""

    active: int = 0
    failed: int = 0
    conditions: list[Condition] = []


class Job(_Read, frozen=True):
    """The Job of a list's pool of workers."""

    metadata: Metadata
    spec: JobSpec = JobSpec()
    status: JobStatus = JobStatus()

    @property
    def has_ended(self) -> bool:
        """Whether it makes no more pods."""
        return any(one.status == "True" and one.type in {"Complete", "Failed"} for one in self.status.conditions)


def is_owned_by(metadata: o.Metadata, uid: str, kind: str = WORKLIST) -> bool:
    """Tell whether this object was made for that one of this kind, which is its controller.

    Anybody may give any uid to something of a kind of his own, and the API server does not look.
    """
    group = "batch" if kind == JOB else o.GROUP
    return any(
        owner.controller and owner.uid == uid and owner.kind == kind and owner.api_version.startswith(f"{group}/")
        for owner in metadata.owner_references
    )


def pods_path(namespace: str | None) -> str:
    """Give the path of the pods of a namespace, or of all."""
    return "/api/v1" + ("" if namespace is None else f"/namespaces/{namespace}") + "/pods"


def jobs_path(namespace: str | None) -> str:
    """Give the path of the Jobs of a namespace, or of all."""
    return "/apis/batch/v1" + ("" if namespace is None else f"/namespaces/{namespace}") + "/jobs"


def owner(kind: str, metadata: o.Metadata) -> dict[str, Any]:
    """Give the ownerReference to one of our objects: what has it goes with that."""
    return {
        "apiVersion": o.API_VERSION,
        "kind": kind,
        "name": metadata.name,
        "uid": metadata.uid,
        "controller": True,
    }


def read_pod(document: object) -> Pod:
    """Give a Pod from the API server's document."""
    return msgspec.convert(document, Pod)


def read_job(document: object) -> Job:
    """Give a Job from the API server's document."""
    return msgspec.convert(document, Job)
