"""`Worklist` and `Block` as Kubernetes keeps them; the definitions that `teamtask crds` prints are made from these.

Indices are below 2^53 here, as JSON numbers are in Kubernetes. Fields are spelled in camel case on the outside.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from teamtask.ledger.rules import Attempts, BlockSeconds, LeaseSeconds, MoreThanNone
from teamtask.wire.requests import PRIORITY_MAX, WEIGHT_MAX

GROUP = "teamtask.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
FINALIZER = f"{GROUP}/uncounted"
INDEX_MAX = 2**53 - 1
BLOCKS_MAX = 10_000  # of one list, handed out at once
PENDING = "Pending"
RANGES_CHARACTERS_MAX = 24_576  # of the interval texts of a Worklist; with more nothing new is handed out
MESSAGE_CHARACTERS_MAX = 1_024
FAILED_RANGES_MAX = 100  # whose failures a new controller knows
SUBJECTS_MAX = 100
RESULTS_MAX = 1_000  # of one report
RESULT_BYTES_MAX = 262_144  # of one value: all results of a list are in one object

Index = Annotated[int, Meta(ge=0, le=INDEX_MAX)]
Count = Annotated[int, Meta(ge=1, le=INDEX_MAX)]
Text = Annotated[str, Meta(max_length=MESSAGE_CHARACTERS_MAX)]
IntervalText = Annotated[str, Meta(max_length=65_536)]  # with a thousand ranges more that one report may bring
DoneText = Annotated[str, Meta(max_length=RANGES_CHARACTERS_MAX)]


class _Object(Struct, frozen=True, rename="camel"):
    """A part of an object; what a newer version adds is not read."""


class BlockSize(_Object, frozen=True):
    """How large a block is."""

    size: Count | None = None
    seconds: BlockSeconds | None = None
    max: Count | None = None


class ResultsPlace(_Object, frozen=True):
    """Which results are kept, and where."""

    config_map: Annotated[str, Meta(max_length=253, pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$")] = ""
    keep: Annotated[str, Meta(pattern="^(All|Failed|None)$")] = "All"


class Subject(_Object, frozen=True):
    """Somebody, as in a RoleBinding."""

    kind: Annotated[str, Meta(pattern="^(User|Group|ServiceAccount)$")]
    name: Annotated[str, Meta(min_length=1, max_length=512)]
    namespace: Annotated[str, Meta(max_length=63)] = ""


class Rerun(_Object, frozen=True):
    """Which indices are to be worked again."""

    revision: Annotated[int, Meta(ge=1, le=INDEX_MAX)]
    ranges: DoneText


class Workers(_Object, frozen=True):
    """Pods that work the list, made by the controller."""

    template: dict[str, Any]
    mode: Annotated[str, Meta(pattern="^(Pool|PodPerBlock)$")] = "Pool"
    replicas: Annotated[int, Meta(ge=0, le=BLOCKS_MAX)] = 1


class WorklistSpec(_Object, frozen=True):
    """What is to be worked through, and how."""

    source: dict[str, Any]
    start_index: Index = 0
    block: BlockSize = BlockSize()
    max_active_blocks: Annotated[int, Meta(ge=1, le=BLOCKS_MAX)] = 1_000
    blocks_per_holder: Annotated[int, Meta(ge=1, le=BLOCKS_MAX)] = 1_000
    lease_seconds: LeaseSeconds = 60.0
    items_per_second: MoreThanNone | None = None
    priority: Annotated[int, Meta(ge=-PRIORITY_MAX, le=PRIORITY_MAX)] = 0
    weight: Annotated[float, Meta(gt=0, le=WEIGHT_MAX)] = 1.0
    attempts: Attempts = 3
    max_parked: Annotated[int, Meta(ge=0, le=1_000)] = 1_000
    fold: Any = None
    stop_after_results: Count | None = None
    results: ResultsPlace = ResultsPlace()
    access: Annotated[list[Subject], Meta(max_length=SUBJECTS_MAX)] = []
    only: DoneText = ""
    rerun: Rerun | None = None
    workers: Workers | None = None
    suspend: bool = False
    active_deadline_seconds: Count | None = None
    ttl_seconds_after_finished: Index | None = None


class Condition(_Object, frozen=True, kw_only=True):
    """Something that is true or false of an object, and why."""

    type: Annotated[str, Meta(max_length=316)]
    status: Annotated[str, Meta(pattern="^(True|False|Unknown)$")]
    reason: Annotated[str, Meta(max_length=1_024)]
    message: Annotated[str, Meta(max_length=32_768)] = ""
    last_transition_time: Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
    observed_generation: int = 0


class FailedRange(_Object, frozen=True):
    """Indices that came back after failures."""

    index: Index
    size: Count
    failures: Count


class WorklistStatus(_Object, frozen=True):
    """How far the list is; written by the controller alone."""

    observed_generation: int = 0
    conditions: list[Condition] = []
    phase: str = ""
    size: Index = 0
    fingerprint: str = ""
    frontier: Index = 0
    completed: IntervalText = ""
    parked: IntervalText = ""
    failed_ranges: Annotated[list[FailedRange], Meta(max_length=FAILED_RANGES_MAX)] = []
    completed_items: Index = 0
    failed_items: Index = 0
    parked_items: Index = 0
    active_blocks: int = 0
    restarts: Index = 0
    results: Index = 0
    fold: Any = None
    rerun_revision: Index = 0
    worker_pods: int = 0
    worker_selector: str = ""
    progress: str = ""
    rate: str = ""
    eta: str = ""
    effective_block_size: Index = 0
    start_time: str | None = None
    completion_time: str | None = None


class ReportedResult(_Object, frozen=True):
    """What came of one index."""

    index: Index
    value: Any = None
    ok: bool = True


class Report(_Object, frozen=True):
    """What the holder says of its block."""

    sequence: Annotated[int, Meta(ge=0)]
    state: Annotated[str, Meta(pattern="^(Working|Completed|Failed|Released)$")]
    done: DoneText = ""
    renew_time: Annotated[str, Meta(extra_json_schema={"format": "date-time"})] | None = None
    failed_at: Index | None = None
    message: Text = ""
    results: Annotated[list[ReportedResult], Meta(max_length=RESULTS_MAX)] = []
    fold: Any = None


class ListReference(_Object, frozen=True):
    """Which list is meant."""

    name: Annotated[str, Meta(max_length=253)]


class BlockSpec(_Object, frozen=True):
    """Who asks for work on which list, and what he reports."""

    list_ref: ListReference
    holder: Annotated[str, Meta(max_length=512)] = ""
    holder_groups: Annotated[list[Annotated[str, Meta(max_length=512)]], Meta(max_length=SUBJECTS_MAX)] = []
    holder_pod: Annotated[str, Meta(max_length=253)] | None = None
    report: Report | None = None


class Assignment(_Object, frozen=True):
    """A range that the holder of a block is to work."""

    index: Index
    size: Count


class BlockStatus(_Object, frozen=True):
    """What the block is to be worked; written by the controller alone."""

    phase: Annotated[str, Meta(pattern="^(Pending|Ready|Completed|Failed|Expired|Closed)$")] = PENDING
    ready: str = "0/1"
    sequence: int = 0
    worklist_uid: str = ""
    observed_generation: int = 0
    index: int | str = PENDING
    size: int | str = PENDING
    attempt: int = 0
    restarts: int = 0
    expires_at: str | None = None
    assignments: Annotated[list[Assignment], Meta(max_length=16)] = []
    conditions: list[Condition] = []


class OwnerReference(_Object, frozen=True):
    """For which object another one was made: it goes with that."""

    uid: str
    api_version: str = ""
    kind: str = ""
    controller: bool = False


class Metadata(_Object, frozen=True):
    """What Kubernetes keeps of every object, as far as it is looked at."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    finalizers: list[str] = []
    owner_references: list[OwnerReference] = []


class Named(_Object, frozen=True):
    """Any object, of which only the name is looked at."""

    metadata: Metadata


class Worklist(_Object, frozen=True):
    """A list that the controller hands out in blocks."""

    metadata: Metadata
    spec: WorklistSpec
    status: WorklistStatus = WorklistStatus()


class Block(_Object, frozen=True):
    """A claim: somebody asks for work, the controller gives it an index and a size, he reports."""

    metadata: Metadata
    spec: BlockSpec
    status: BlockStatus = BlockStatus()


def results_map_name(worklist: Worklist) -> str:
    """Give the name of the ConfigMap that keeps the results of a list."""
    return worklist.spec.results.config_map or f"{worklist.metadata.name}-results"


def path(plural: str, namespace: str | None = None) -> str:
    """Give the path of the objects of a kind, in one namespace or in all."""
    within = "" if namespace is None else f"/namespaces/{namespace}"
    return f"/apis/{API_VERSION}{within}/{plural}"


def read_worklist(document: object) -> Worklist:
    """Give a Worklist from the API server's document. Raises msgspec.ValidationError for what the CRD refuses."""
    return msgspec.convert(document, Worklist)


def read_block(document: object) -> Block:
    """Give a Block from the API server's document. Raises msgspec.ValidationError for what the CRD refuses."""
    return msgspec.convert(document, Block)
