"""`teamtask.map` and `teamtask.fold`: a Python function over a list, on all cores, that goes on where it stopped."""

from __future__ import annotations

import json
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from teamtask.ledger.errors import InvalidField, InvalidSource
from teamtask.ledger.folds import check_fold_rule
from teamtask.ledger.list_state import FINISHED
from teamtask.ledger.rules import BlockRule, Limits, Rules
from teamtask.local.file_lines import FileLines
from teamtask.local.function_identity import code_of, function_name
from teamtask.local.item_lines import RunChanged
from teamtask.local.map_engine import Job
from teamtask.local.map_run import MapRun, NotFinished, in_order, parts_of, recorded_parts
from teamtask.local.outcome import ItemParked
from teamtask.local.run_request import RunRequest
from teamtask.local.work_run import WorkOptions
from teamtask.service.results import results_by_index
from teamtask.sources import Shuffled, as_source, source_from_definition
from teamtask.worker.slots import JOBS_MAX, cpu_count

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from teamtask.ledger.folds import FoldRule
    from teamtask.local.outcome import Outcome
    from teamtask.sources.source import Source

Item = TypeVar("Item")
Returned = TypeVar("Returned")

LEASE_AHEAD_SECONDS = 2.0  # so much work is leased at a time
PARKED_MAX = 10_000
_MANY = 10**9  # a process of the owner's own may hold as much as it can work
_END_SECONDS = 30.0  # for what is in hand when nobody wants more, and for a slow disk


def map(  # noqa: A001 - teamtask.map, by design
    function: Callable[[Item], Returned],
    source_or_iterable: Source[Item] | Iterable[Item],
    *,
    processes: int | None = None,
    name: str | None = None,
    ordered: bool = True,
    errors: Literal["raise", "yield"] = "raise",
    fresh: bool = False,
) -> Generator[Outcome[Item, Returned], None, None]:
    """Yield an outcome for each item, in order of index or (`ordered=False`) as they come.

    Works in `processes` processes (all CPUs), begun at the first `next`. Each outcome is on the disk before it is
    yielded; called again, it yields what was kept without calling the function again. It is the same run if the
    folder, the items and the function's code are the same; or with a `name` of your own, whatever the code: then other
    items raise RunChanged. `fresh=True` forgets what was kept. Leaving the loop, or Ctrl-C, gives items in hand half a
    second.

    An exception is raised at its item; the next call works items that failed again. With `errors="yield"` it is the
    outcome's `error`, kept like a result. Raises InvalidField, InvalidSource, RunChanged, and what a store raises.
    """
    if errors not in ("raise", "yield"):
        raise InvalidField(f'errors is "raise" or "yield", not {errors!r:.80}.', field="errors")
    options = _options(function, processes)
    request = _request(function, source_or_iterable, name=name, fresh=fresh)
    return _mapped(function, request, options, ordered=ordered, raises=errors == "raise")


def fold(
    function: Callable[[Item], Returned],
    source_or_iterable: Source[Item] | Iterable[Item],
    fold: FoldRule | Callable[[Any, Any], Any],
    *,
    processes: int | None = None,
    name: str | None = None,
    fresh: bool = False,
) -> Any:  # noqa: ANN401 - a fold is any value
    """Give one value for all results, which are not kept.

    `fold` is "count" (of results that are true), "sum", "min", "max", "any", "all", {"top": k}, {"histogram": [edges]},
    or an associative function of two results, or of what it gave itself, the first from lower indices. Called again, it
    goes on where it stopped; what makes it the same run, and `name`, `processes` and `fresh`, are as for `map`.

    A function of your own is called in the processes, and in the end here for what these made of some 20 ms each (of
    5 s at most, when that is large), which is what is kept. Raises the function's own exception; the next call tries
    that item again.
    """
    merge = fold if callable(fold) else None
    rule: FoldRule = "count" if callable(fold) else fold
    check_fold_rule(rule)
    options = _options(function, processes)
    request = _request(function, source_or_iterable, name=name, fresh=fresh, rule=rule, merge=merge)
    run, ledger = _begun(request, again=True)
    try:
        if ledger.state not in FINISHED:
            engine = run.engine(Job(run.path, run.name, run.given, function, options, merge))
            try:
                for _ in parts_of(engine):
                    pass
            finally:
                engine.end(_END_SECONDS)
        opened = run.opened
        with opened.service.view(opened.record) as view:
            ledger = view.ledger
            if ledger.parked:
                index, parked = min(ledger.parked.items())
                raise ItemParked(
                    f"{len(ledger.parked)} items were set aside, the first at index {index}: {parked.error}"
                )
            if merge is None:
                return ledger.fold
            return reduce(merge, (result.value for result in results_by_index(view.reader, opened.id)))
    finally:
        run.close()


def _mapped(
    function: Callable[[Item], Returned], request: RunRequest, options: WorkOptions, *, ordered: bool, raises: bool
) -> Generator[Outcome[Item, Returned], None, None]:
    run, ledger = _begun(request, again=raises)
    engine = None
    try:
        if ledger.state in FINISHED:
            parts = recorded_parts(ledger)
        else:
            engine = run.engine(Job(run.path, run.name, run.given, function, options))
            parts = in_order(parts_of(engine)) if ordered else parts_of(engine)
        missing = run.size
        for part in parts:
            missing -= part.stop - part.start
            if not raises or (part.batch is not None and not part.batch.failed):
                yield from run.outcomes(part)
                continue
            for outcome in run.outcomes(part):
                if outcome.error is not None:
                    raise outcome.error
                yield outcome
        if missing:
            raise NotFinished(f"{missing} items have no outcome.")
    finally:
        if engine is not None:
            engine.end(_END_SECONDS)
        run.close()


def _begun(request: RunRequest, *, again: bool) -> tuple[MapRun, Any]:
    try:
        return MapRun.begin(request, again=again)
    except RunChanged as changed:
        raise RunChanged(
            changed.message, hint="fresh=True starts it anew and forgets what was done; another name keeps both."
        ) from None


def _options(function: object, processes: int | None) -> WorkOptions:
    if not callable(function):
        raise InvalidField(
            f"The function is of type {type(function).__name__}, which cannot be called.", field="function"
        )
    if processes is None:
        return WorkOptions(cpu_count())
    if type(processes) is not int or not 1 <= processes <= JOBS_MAX:
        raise InvalidField(
            f"processes is a number from 1 to {JOBS_MAX:,}, not {processes!r:.80}.",
            field="processes",
            hint=f"Leave it out for one for each CPU ({cpu_count()} here).",
        )
    return WorkOptions(processes)


def _request(
    function: Callable[[Any], Any],
    source_or_iterable: Source[Any] | Iterable[Any],
    *,
    name: str | None,
    fresh: bool,
    rule: FoldRule | None = None,
    merge: Callable[[Any, Any], Any] | None = None,
) -> RunRequest:
    """Say what is asked for. Raises InvalidSource, InvalidField."""
    source = as_source(source_or_iterable)
    functions = [function] if merge is None else [function, merge]
    made_by = source.inner if isinstance(source, Shuffled) else source
    from_file = isinstance(made_by, FileLines)
    return RunRequest(
        folder=str(Path.cwd()),
        file=str(made_by.path) if isinstance(made_by, FileLines) else None,
        shuffle=source.seed if isinstance(source, Shuffled) and from_file else None,
        source=None if from_file else _definition(source),
        given=None if from_file else source,
        python=" ".join(function_name(one) for one in functions),
        code="" if name is not None else " ".join(code_of(one) for one in functions),
        rules=Rules(
            block=BlockRule(seconds=LEASE_AHEAD_SECONDS),
            limits=Limits(blocks_per_worker=_MANY, blocks_per_principal=_MANY, parked=PARKED_MAX),
            fold=rule,
        ),
        name=name,
        fresh=fresh,
    )


def _definition(source: Source[Any]) -> dict[str, Any]:
    """Give what the store can know of a source: how to make it again, or only that it was there."""
    try:
        definition: dict[str, Any] = json.loads(json.dumps(source.definition()))
        again = source_from_definition(definition)
        if (again.fingerprint, again.size) == (source.fingerprint, source.size):
            return definition
    except (InvalidSource, TypeError, ValueError):
        pass
    return {"kind": "objects", "count": source.size, "fingerprint": source.fingerprint}
