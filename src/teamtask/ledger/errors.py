"""Every error that Teamtask raises on purpose: a code for programs, a sentence and a hint for people."""

from __future__ import annotations

from typing import Any, ClassVar


class TeamtaskError(Exception):
    """Something went wrong in Teamtask."""

    # The docstring of a class is its message unless the raiser has a better one (as in procrastinate).
    code: ClassVar[str] = "error"
    hint: str | None = None

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        field: str | None = None,
        **detail: Any,  # noqa: ANN401 - shown to people and programs as it is
    ) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        self.hint = hint or type(self).hint
        self.field = field
        self.detail = detail
        super().__init__(self.message)


class InvalidField(TeamtaskError):
    """A value is not allowed here."""

    code = "invalid_field"


class InvalidSource(TeamtaskError):
    """The source of the list cannot be used."""

    code = "invalid_source"


class WrongState(TeamtaskError):
    """The list is not in a state in which this can be done."""

    code = "wrong_state"


class FoldCannotBeDivided(TeamtaskError):
    """A list with a fold is rerun whole or not at all."""

    code = "fold_cannot_be_divided"
    hint = "Rerun the whole list; its fold starts anew."


class TooMany(TeamtaskError):
    """That is more than one call may carry."""

    code = "too_many"


class UnknownFormat(TeamtaskError):
    """This was written by a newer version of Teamtask."""

    code = "unknown_format"
    hint = "Install the newer version of Teamtask and try again."
