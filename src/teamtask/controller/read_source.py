"""`ReadSource`: the definition of a source whose lines were read, in the spec that is reconciled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from teamtask.sources.source import Source


class ReadSource(dict[str, Any]):
    """What the source says of itself, and so what two of the same items have in common; with the source itself.

    What is pure takes it for the list's own source, and reads nothing.
    """

    def __init__(self, source: Source[Any]) -> None:
        super().__init__(source.definition())
        self.source = source
