"""`open_run`: finds the state of a run or begins it, and says what has changed since."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from teamtask.access import LOCAL
from teamtask.ledger.errors import TeamtaskError, UnknownFormat
from teamtask.local.item_lines import ItemLines, RunChanged, changed_lines, open_lines
from teamtask.local.processes import is_alive, is_dead, shown_worker
from teamtask.local.state_files import default_name, make_state_folder, path_of, remove_state
from teamtask.service.definition import Definition, LocalRun, decode_definition
from teamtask.service.list_source import list_source
from teamtask.service.service import NoSuchList, Service
from teamtask.sources import Source, source_from_definition
from teamtask.sources.rows import Rows
from teamtask.stores.open_store import open_store
from teamtask.stores.store import NameTaken, StaleVersion, StoreDamaged
from teamtask.wire.requests import check_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.ledger.ids import ListId
    from teamtask.ledger.lease import Lease
    from teamtask.local.run_request import RunRequest
    from teamtask.service.list_source import Upload
    from teamtask.service.service import ListView
    from teamtask.stores.store import ListRecord


class RunInUse(TeamtaskError):
    """Another process works on this run."""

    code = "run_in_use"


@dataclass
class OpenedRun:
    """A run that can be worked: its service, its list, and its items."""

    service: Service
    record: ListRecord
    definition: Definition
    source: Source[Any]
    path: Path
    begun: bool  # just now, by us
    grown: int = 0  # items that were added since the last time
    blank: int = 0  # lines that were skipped

    @property
    def id(self) -> ListId:
        """The list's id."""
        return self.record.id

    def close(self) -> None:
        """Let go of the state file."""
        self.service.store.close()


def open_run(
    request: RunRequest, typed: tuple[str, ...] = (), confirm: Callable[[str], bool] = lambda _question: False
) -> OpenedRun:
    """Open or begin a run; `confirm` is asked whether a run that has changed is to start anew.

    Raises RunChanged when it is not, and whatever is wrong with the items, the state file or the folder.
    """
    name = check_name(request.name) if request.name is not None else _default_name(request)
    path = request.state or path_of(name)
    if request.state is None:
        make_state_folder()
    fresh = request.fresh
    while True:
        try:
            opened = _open(request, name, path, typed, fresh=fresh)
        except RunChanged as changed:
            if fresh or not confirm(f"{changed.message} Start anew and forget what was done?"):
                raise
            fresh = True
        except StaleVersion:  # another copy of the command has added lines meanwhile: compare with those too
            if request.file == "-":
                raise
        else:
            take_back_dead(opened.service, opened.record)
            return opened


def first_items(request: RunRequest, count: int) -> list[Any]:
    """Give the first items of a request, and touch nothing. Raises InvalidSource."""
    if request.source is not None:
        source = request.given or source_from_definition(request.source)
        items: list[Any] = list(source.items(0, min(count, source.size)))
        return [list(item.values()) for item in items] if len(request.arguments) > 1 else items
    with open_lines(request) as lines:
        return [os.fsdecode(line) for line in islice(lines.lines(), count)] if lines else []


def source_of(service: Service, record: ListRecord, size: int) -> Source[Any]:
    """Give the items of a list that was created before; `size` is what the ledger says."""
    definition = decode_definition(record.definition)
    source = list_source(service.store, record.id, definition, size)
    rows = definition.local is not None and len(definition.local.identity["arguments"]) > 1
    return Rows(source) if rows else source


def take_back_dead(service: Service, record: ListRecord) -> None:
    """Give back the leases of local processes that are dead."""
    with service.view(record) as view:
        held = local_leases(view)
    dead = [lease.id for lease in held if is_dead(lease.key.worker)]
    if dead:
        service.take_back(record.id, dead)


def local_leases(view: ListView) -> list[Lease]:
    """Give the leases of local runs; those of workers elsewhere, whatever their names, are none of them."""
    return [lease for lease in view.ledger.leases.values() if lease.key.principal == LOCAL]


def _default_name(request: RunRequest) -> str:
    first = Path(request.command[0]).name if request.command else (request.python or "").rpartition(":")[2]
    items = request.file if request.file not in (None, "-") else ""
    return default_name(request.folder, request.identity, (first, items or ""))


def _open(request: RunRequest, name: str, path: Path, typed: tuple[str, ...], *, fresh: bool) -> OpenedRun:
    with open_lines(request) as lines:  # first of all: what is wrong with them leaves no state file behind
        if request.source is not None and request.given is None:
            source_from_definition(request.source)
        _check_retry(request, path)
        if fresh and path.exists():
            _forget(path, name, ours=request.state is None)
        service = Service(open_store(f"sqlite:{path.absolute()}"))
        try:
            try:
                return _resumed(request, lines, service, name, path)
            except NoSuchList:
                _check_retry(request, None)
            service.store.compact()  # what an import that was broken off has left
            return _begun(request, lines, service, name, path, typed)
        except BaseException:
            service.store.close()
            raise


def _check_retry(request: RunRequest, path: Path | None) -> None:
    if request.retry_failed and (path is None or not path.exists()):
        raise NoSuchList(
            "Nothing has failed yet: there is no run of this command and these items in this folder.",
            hint="Leave --retry-failed out to begin it; `teamtask ls` shows the runs there are.",
        )


def _forget(path: Path, name: str, *, ours: bool) -> None:
    """Forget the run of that name, and nothing else that is in the file. Raises RunInUse.

    What cannot be read as a state file is removed only where nobody but us puts files.
    """
    try:
        service = Service(open_store(f"sqlite:{path.absolute()}"))
    except StoreDamaged:
        if not ours:
            raise
        remove_state(path)
        return
    try:
        record = next((record for record in service.lists() if record.name == name), None)
        if record is not None:
            check_unused(service, record)
            service.delete(record.id)
            service.store.compact()
    finally:
        service.store.close()


def check_unused(service: Service, record: ListRecord) -> None:
    """Raise RunInUse when a living process of this machine works on the list, or shares it."""
    from teamtask.local.share_access import sharers  # most runs ask for neither

    try:
        with service.view(record) as view:
            workers = {lease.key.worker for lease in local_leases(view)}
        sharing = sharers(service.store, record.name)
    except (StoreDamaged, UnknownFormat):
        return  # nobody can work on it
    for worker in sharing:
        raise RunInUse(
            f"{shown_worker(worker)} shares {record.name} with other machines right now.",
            hint="Stop that process first (Ctrl-C).",
        )
    for worker in workers:
        if is_alive(worker):
            raise RunInUse(
                f"{shown_worker(worker)} is working on {record.name} right now.",
                hint="Stop that process first (Ctrl-C), or wait until it is done.",
            )


def _begun(
    request: RunRequest, lines: ItemLines | None, service: Service, name: str, path: Path, typed: tuple[str, ...]
) -> OpenedRun:
    upload: Upload | None = None
    if lines is None:
        assert request.source is not None
        source = request.given or source_from_definition(request.source)
        definition = source.definition() if request.given is None else request.source
        fingerprint, size = source.fingerprint, source.size
    else:
        upload = lines.upload(service)
        fingerprint, size = upload.fingerprint, upload.size
        definition = {"kind": "lines", "count": size, "fingerprint": fingerprint}
        if request.shuffle is not None:
            definition["shuffle"] = request.shuffle
    blank = lines.blank if lines else 0
    kept = Definition(definition, fingerprint, LocalRun(request.folder, request.identity, typed, blank))
    rules = replace(request.rules, growable=definition["kind"] in ("lines", "range") and "shuffle" not in definition)
    try:
        service.create(name, kept, rules, size, upload.id if upload else None)
    except NameTaken:  # a second copy of the command was faster; what we have read cannot be read again
        return _begun_by_another(request, kept, service, name, path)
    record = service.find(name)
    items = request.given or source_of(service, record, size)
    return OpenedRun(service, record, kept, items, path, begun=True, blank=blank)


def _begun_by_another(request: RunRequest, kept: Definition, service: Service, name: str, path: Path) -> OpenedRun:
    record, definition, size = _known(request, service, name)
    if definition.fingerprint != kept.fingerprint:
        raise changed_lines(name, 0)
    items = request.given or source_of(service, record, size)
    return OpenedRun(service, record, definition, items, path, begun=False)


def _resumed(request: RunRequest, lines: ItemLines | None, service: Service, name: str, path: Path) -> OpenedRun:
    record, definition, size = _known(request, service, name)
    added = lines.compare(service, record.id, name, size) if lines else None
    if added is not None:
        if request.shuffle is not None:
            raise changed_lines(name, size)
        service.grow(record.id, size + added.size, added.id, size_before=size)
    grown = added.size if added else 0
    items = request.given or source_of(service, record, size + grown)
    blank = lines.blank if lines else 0
    return OpenedRun(service, record, definition, items, path, begun=False, grown=grown, blank=blank)


def _known(request: RunRequest, service: Service, name: str) -> tuple[ListRecord, Definition, int]:
    """Give a run that was begun before. Raises NoSuchList, and RunChanged when it was begun with something else."""
    record = service.find(name)
    with service.view(record) as view:
        definition, size = view.definition, view.ledger.size
    local = definition.local
    if local is None or local.identity != request.identity or local.folder != request.folder:
        raise RunChanged(
            f"The run {name} was begun with another command or other items.",
            hint="--fresh starts it anew, another --name keeps both.",
        )
    return record, definition, size
