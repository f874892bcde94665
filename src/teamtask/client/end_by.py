"""`end_by`: have a signal do what it does, once all is in order."""

from __future__ import annotations

import signal

SIGNAL_EXIT = 128


def end_by(number: int) -> None:
    """Raise a signal; where it was to end the program and has not, raise SystemExit with the status that a shell gives.

    So it is for the first process of a container, which no signal ends unless it is handled.
    """
    signal.raise_signal(number)
    if signal.getsignal(number) is signal.SIG_DFL:
        raise SystemExit(SIGNAL_EXIT + number)
