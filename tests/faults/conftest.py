"""The campaign's programs stand beside its tests, and are imported by name as when they are run by hand."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
