"""Numbers, times and foreign text as people read them."""

from __future__ import annotations

from datetime import datetime

from teamtask.local.figures import compact, duration

__all__ = ["compact", "date_of", "duration", "printable"]


def printable(text: str) -> str:
    """Escape control characters and what is no text, so that nothing reaches a terminal that moves its cursor."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else repr(character)[1:-1] for character in text
    )


def date_of(text: str) -> float:
    """Give seconds since 1970 of a date in RFC 3339; 0 for what is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0
