"""`Uploading`: items that arrive in pieces; nothing of them counts before the last one is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamtask.service.list_source import Upload, new_upload
from teamtask.sources import LinesFingerprint

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.stores.store import Store
    from teamtask.wire.line_splitter import LineSplitter
    from teamtask.wire.views import Worklist


class Uploading:
    """Keeps lines as they come; `finish` gives them to the list. What is never finished, compaction removes."""

    def __init__(self, store: Store, attach: Callable[[Upload], Worklist]) -> None:
        self._store = store
        self._attach = attach
        self._upload = new_upload()
        self._fingerprint = LinesFingerprint()

    def add(self, splitter: LineSplitter, data: bytes) -> None:
        """Take a piece of the body. Raises InvalidSource, StoreUnavailable."""
        self._keep(splitter.feed(data))

    def finish(self, splitter: LineSplitter) -> Worklist:
        """Take the last line and attach all of them. Raises WrongState, InvalidField where there was none."""
        self._keep(splitter.finish())
        fingerprint = self._fingerprint.fingerprint
        return self._attach(Upload(self._upload, self._fingerprint.count, fingerprint))

    def _keep(self, lines: list[bytes]) -> None:
        if not lines:
            return
        with self._store.write() as writer:
            writer.put_lines(self._upload, self._fingerprint.count, lines)
        self._fingerprint.update(lines)
