"""`Counted`: what a worker of a server's list has done, and how the whole list stands, for the line of progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from teamtask.service.service import Progress
from teamtask.wire.requests import integer
from teamtask.worker.work_functions import FunctionWatcher

if TYPE_CHECKING:
    from teamtask.cli.run_display import RunDisplay
    from teamtask.worker.held_ranges import SentRanges
    from teamtask.worker.remote_list import RemoteList
    from teamtask.worker.running_command import Finished


QUIET_LOOK_SECONDS: Final = 5.0  # how often the list is looked at where nobody looks at a terminal


class Counted:
    """Counts outcomes on their way to the display."""

    def __init__(self, far: RemoteList) -> None:
        self._far = far
        self.ok = 0
        self.failed = 0
        self.display: RunDisplay | None = None

    def progress(self) -> Progress:
        """Tell how far the whole list is."""
        shown = self._far.looked_at()
        numbers = [integer(shown[name], name) for name in ("size", "done", "results", "failed")]
        return Progress(max(1, numbers[0]), *numbers[1:])

    def finished(self, index: int, item: object, finished: Finished[Any]) -> None:
        """Count an outcome and show it."""
        if finished.ok:
            self.ok += 1
        else:
            self.failed += 1
        if self.display is not None:
            self.display.finished(index, item, finished)

    def tick(self, running: int) -> None:
        """Show how far it is; what is shown seldom is looked at before, so that it is new."""
        self._far.looked_at(QUIET_LOOK_SECONDS)
        if self.display is not None:
            self.display.tick(running)


class CountedFunctions(FunctionWatcher):
    """The same for functions, whose outcomes come as they are recorded."""

    def __init__(self, counted: Counted) -> None:
        self._counted = counted

    def kept(self, sent: SentRanges) -> None:
        """Count what has been recorded."""
        for finished in sent.told:
            failed = len(finished.failed)
            self._counted.failed += failed
            self._counted.ok += finished.stop - finished.start - failed

    def tick(self, running: int) -> None:
        """Show how far it is."""
        self._counted.tick(running)
