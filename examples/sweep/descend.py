"""Goes down Rosenbrock's valley with a given rate and momentum; prints how high it still is: descend.py RATE MOMENTUM.

It stands for a training that takes hours. Too high a rate leaves the valley for good: then it exits with 1.
"""

from __future__ import annotations

import math
import sys

STEPS = 2000
HEIGHT_MAX = 1e6


def height(x: float, y: float) -> float:
    """Rosenbrock's function; its lowest point is (1, 1), where it is 0."""
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def descend(rate: float, momentum: float) -> float:
    """Give the height after all steps of gradient descent from (-1, 1). Raises OverflowError off the valley."""
    x, y, dx, dy = -1.0, 1.0, 0.0, 0.0
    for _ in range(STEPS):
        slope_x = -2 * (1 - x) - 400 * x * (y - x * x)
        slope_y = 200 * (y - x * x)
        dx, dy = momentum * dx - rate * slope_x, momentum * dy - rate * slope_y
        x, y = x + dx, y + dy
        if not math.isfinite(x) or height(x, y) > HEIGHT_MAX:
            raise OverflowError("left the valley")
    return height(x, y)


def main() -> int:
    """Print the height; return the exit code."""
    try:
        print(f"{descend(float(sys.argv[1]), float(sys.argv[2])):.3e}")
    except OverflowError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
