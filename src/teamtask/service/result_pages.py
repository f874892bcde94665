"""`ResultPages`: the results of a list a megabyte at a time, so that no reader holds the store open for long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from teamtask.service.result_stream import Wanted, result_lines
from teamtask.service.service import NoSuchList

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.access import Principal
    from teamtask.service.site import Site
    from teamtask.wire.result_lines import ResultLine

PAGE_BYTES: Final = 1 << 20
_PAGE_RESULTS: Final = 10_000


class ResultPages:
    """What is wanted of a list's results, page after page; each sees what was committed when it was begun.

    Raises NoSuchList.
    """

    def __init__(self, site: Site, principal: Principal, name: str, wanted: Wanted) -> None:
        self._site, self._principal, self._name = site, principal, name
        self._wanted: Wanted | None = wanted
        with site.view(principal, name) as view:  # so that a stranger hears of it before anything is sent
            self._list_id = view.record.id

    def next(self, write: Callable[[ResultLine], bytes]) -> bytes:
        """Give the next page as `write` writes its lines; nothing when there are no more. Raises NoSuchList."""
        wanted = self._wanted
        if wanted is None:
            return b""
        page: list[bytes] = []
        length = 0
        with self._site.view(self._principal, self._name) as view:
            if view.record.id != self._list_id:  # another one has taken its name
                raise NoSuchList(f"The list {self._name} has been deleted.")
            source = self._site.source_of(view)
            self._wanted = None
            for line in result_lines(view, source, wanted):
                page.append(write(line))
                length += len(page[-1])
                if length >= PAGE_BYTES or len(page) >= _PAGE_RESULTS:
                    self._wanted = _after(wanted, line)
                    break
        return b"".join(page)


def _after(wanted: Wanted, line: ResultLine) -> Wanted:
    return wanted._replace(index=line.index + 1) if wanted.since is None else wanted._replace(since=line.seq + 1)
