"""The names of things: opaque strings that are never mixed up with one another."""

from __future__ import annotations

from typing import NewType

ListId = NewType("ListId", str)
LeaseId = NewType("LeaseId", str)
UploadId = NewType("UploadId", str)
