"""Reads words, one a line, and says which of them has a given SHA-256: try_words.py HASH < words.

Run by `teamtask run --per-block`, it gets one block of the words, and writes a word that fits into its report.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path


def main(wanted: str) -> None:
    """Compare the hash of every word on stdin."""
    digest = bytes.fromhex(wanted)
    for offset, line in enumerate(sys.stdin.buffer):
        word = line.rstrip(b"\n")
        if hashlib.sha256(word).digest() == digest:
            text = word.decode()
            print(f"found: {text}")
            index = int(os.environ.get("TEAMTASK_INDEX", "0")) + offset
            if report := os.environ.get("TEAMTASK_REPORT"):
                with Path(report).open("a") as file:
                    file.write(f"result {index} {json.dumps(text)}\n")


if __name__ == "__main__":
    main(sys.argv[1])
