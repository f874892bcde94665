"""`failure_in`: whether a `for` loop over our blocks is being left by an exception, or by `break`.

Python closes an iterator in both cases and tells it nothing. But while an exception is on its way out of a frame, there
is a traceback of that frame at just the instruction that it is at. This holds for CPython, which ends the iterator at
once; elsewhere every way of leaving looks like `break`.
"""

from __future__ import annotations

import dis
import gc
import inspect
from types import TracebackType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

_RAISED_AGAIN: Final = frozenset(("RERAISE", "RAISE_VARARGS"))
_SUSPENDED: Final = frozenset(("YIELD_VALUE", "RESUME"))
_GENERATORS: Final = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def failure_in(frame: FrameType) -> str | None:
    """Give what the exception says that is leaving this frame now, as far as it can be found; None when none is.

    What is no failure of an item is none: KeyboardInterrupt, SystemExit, the end of a generator.
    """
    code = frame.f_code
    opcode = dis.opname[code.co_code[frame.f_lasti]]
    if code.co_flags & _GENERATORS and opcode in _SUSPENDED:
        return None  # the generator that has the loop in it is closed
    tracebacks = [
        found for found in gc.get_referrers(frame) if isinstance(found, TracebackType) and found.tb_frame is frame
    ]
    now = [traceback for traceback in tracebacks if traceback.tb_lasti == frame.f_lasti]
    if not now and opcode not in _RAISED_AGAIN:
        return None
    for found in gc.get_referrers(*now) if now else ():
        if isinstance(found, BaseException):
            return f"{type(found).__name__}: {found}" if isinstance(found, Exception) else None
    return f"an exception in line {frame.f_lineno} of {code.co_name}"
