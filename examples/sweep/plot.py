"""Draws the results of the sweep: plot.py RESULTS.ndjson PICTURE.svg.

One line for each momentum, the rate to the right, the height that was left upwards (both logarithmic), and a cross for
each run that failed. The SVG is written by hand: it needs no library.
"""

from __future__ import annotations

import json
import math
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

WIDTH, HEIGHT, MARGIN = 640, 420, 60
COLOURS = ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677", "#aa3377")
FLOOR, CEILING = -30, 2  # powers of ten


def place(rate: float, height: float, rates: list[float]) -> tuple[float, float]:
    """Give the point of a rate and a height in the picture."""
    low, high = math.log(rates[0]), math.log(rates[-1])
    right = (math.log(rate) - low) / ((high - low) or 1)
    up = (math.log10(max(height, 10.0**FLOOR)) - FLOOR) / (CEILING - FLOOR)
    return MARGIN + right * (WIDTH - 2 * MARGIN), HEIGHT - MARGIN - up * (HEIGHT - 2 * MARGIN)


def text(x: float, y: float, words: object, anchor: str = "middle", colour: str = "#333") -> str:
    """Give a text element."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{words}</text>'


def axes(rates: list[float]) -> list[str]:
    """Give the ticks, their lines and what they say."""
    parts = [text(WIDTH / 2, HEIGHT - 15, "rate"), text(MARGIN, MARGIN - 25, "height left", "start")]
    for rate in rates:
        x, y = place(rate, 10.0**FLOOR, rates)
        parts.append(text(x, y + 20, rate))
    for power in range(FLOOR, CEILING + 1, 8):
        x, y = place(rates[0], 10.0**power, rates)
        parts.append(f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{WIDTH - MARGIN}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(text(x - 8, y + 4, f"1e{power}", "end"))
    return parts


def draw(results: list[dict[str, Any]]) -> str:
    """Give the picture of results as `teamtask results -o ndjson` gives them."""
    results.sort(key=lambda result: (result["item"]["momentum"], result["item"]["rate"]))
    rates = sorted({result["item"]["rate"] for result in results})
    parts = axes(rates)
    for number, (momentum, line) in enumerate(groupby(results, key=lambda result: result["item"]["momentum"])):
        colour = COLOURS[number % len(COLOURS)]
        points = []
        for result in line:
            rate = result["item"]["rate"]
            if result["ok"]:
                points.append(place(rate, float(result["result"]["output"]), rates))
            else:
                x, _ = place(rate, 1, rates)
                parts.append(text(x, MARGIN - 8 + 12 * number, "✕", colour=colour))
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(text(MARGIN + 20, HEIGHT - MARGIN - 100 + 18 * number, f"momentum {momentum}", "start", colour))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


if __name__ == "__main__":
    lines = Path(sys.argv[1]).read_text("utf-8").splitlines()
    Path(sys.argv[2]).write_text(draw([json.loads(line) for line in lines]), "utf-8")
