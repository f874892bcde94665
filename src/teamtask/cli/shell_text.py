"""`shell_text`: words as a shell can be given them again, whatever bytes are in them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def shell_text(words: Iterable[str]) -> str:
    r"""Quote words for bash, zsh and other shells that know $'\033' (POSIX 2024); the text is printable."""
    return " ".join(shlex.quote(word) if word.isprintable() else f"$'{_escaped(word)}'" for word in words)


def typed_flags(words: Sequence[str]) -> list[str]:
    """Give a command line without the flags that say how to begin; what follows -- is another's and stays."""
    at = words.index("--") if "--" in words else len(words)
    return [word for word in words[:at] if word not in ("--retry-failed", "--fresh")] + list(words[at:])


def _escaped(word: str) -> str:
    return "".join(map(_escaped_character, word))


def _escaped_character(character: str) -> str:
    if character in "\\'":
        return "\\" + character
    if character.isprintable():
        return character
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape"))
