"""`RunRequest`: what somebody asked `teamtask run` or `teamtask.map` for, checked, before anything is touched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from teamtask.ledger.rules import Rules

if TYPE_CHECKING:
    from pathlib import Path

    from teamtask.sources.source import Source


@dataclass(frozen=True)
class RunRequest:
    """One of `file`, `arguments` and `source` says where the items come from."""

    folder: str
    file: str | None = None  # a path, or "-" for stdin
    arguments: tuple[tuple[str, ...], ...] = ()  # the lists after `:::`
    source: dict[str, Any] | None = None  # as the API spells it
    shuffle: int | str | None = None  # of lines; a source has its own
    separator: str = "\n"
    command: tuple[str, ...] = ()
    python: str | None = None  # MODULE:FUNCTION
    code: str | None = None  # a hash of the function, where another one is another run
    given: Source[Any] | None = None  # the items themselves, of which `source` tells what can be told
    per_block: bool = False
    shell: bool = False
    rules: Rules = field(default_factory=Rules)
    name: str | None = None
    state: Path | None = None
    fresh: bool = False
    retry_failed: bool = False

    @property
    def identity(self) -> dict[str, Any]:
        """What makes it this run and no other, beside the folder and the content of its lines."""
        code: dict[str, object] = {} if self.code is None else {"code": self.code}
        return code | {
            "file": self.file,
            "arguments": [list(some) for some in self.arguments],
            "source": self.source,
            "shuffle": self.shuffle,
            "separator": self.separator,
            "command": list(self.command),
            "python": self.python,
            "per_block": self.per_block,
            "shell": self.shell,
            "fold": self.rules.fold,
        }
