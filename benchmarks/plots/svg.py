"""Panels as one SVG: points over a logarithmic axis, or bars. Grey words and blue marks, on any background."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 360, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 28, 48, 40
_INK, _MARK = "#777", "#3b78b8"


@dataclass(frozen=True)
class Panel:
    """One plot."""

    title: str
    unit: str
    """What its values are in."""
    points: Sequence[tuple[float, float]] = ()
    """Where it goes along an axis; the first of each pair stands on a logarithmic scale."""
    axis: str = ""
    """What that scale counts."""
    bars: Sequence[tuple[str, float]] = ()
    level: float | None = None
    """A value to compare with, as a broken line."""


def svg(panels: Sequence[Panel]) -> str:
    """All panels side by side."""
    drawn = "\n".join(
        f'<g transform="translate({place * _WIDTH},0)">\n{_lines(panel)}\n</g>' for place, panel in enumerate(panels)
    )
    width = _WIDTH * len(panels)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" width="{width}" height="{_HEIGHT}"'
    return f'{head} font-family="sans-serif" font-size="11" fill="{_INK}">\n{drawn}\n</svg>\n'


def _lines(panel: Panel) -> str:
    values = [value for _, value in (*panel.points, *panel.bars)] + ([panel.level] if panel.level is not None else [])
    step = _step(max(values, default=1))
    top = step * max(math.ceil(max(values, default=1) / step), 1)
    marks = _bars(panel, top) if panel.bars else _curve(panel, top)
    return "\n".join((*_frame(panel, top, step), *marks, *_level(panel, top)))


def _frame(panel: Panel, top: float, step: float) -> Iterator[str]:
    yield _text(_LEFT, 18, panel.title, weight="bold")
    yield _text(_LEFT, 33, panel.unit)
    for number in range(round(top / step) + 1):
        height = _height(number * step, top)
        yield _rule(_LEFT, height, _WIDTH - _RIGHT, height, opacity=0.3)
        yield _text(_LEFT - 6, height + 4, _short(number * step), anchor="end")


def _level(panel: Panel, top: float) -> Iterator[str]:
    """The broken line, above the marks: they may lie on it."""
    if panel.level is not None:
        height = _height(panel.level, top)
        yield _rule(_LEFT, height, _WIDTH - _RIGHT, height, dashes="4 3")


def _curve(panel: Panel, top: float) -> Iterator[str]:
    low, high = (math.log10(pick(x for x, _ in panel.points)) for pick in (min, max))
    room = _WIDTH - _LEFT - _RIGHT - 24
    places = [
        (_LEFT + 12 + room * (math.log10(x) - low) / ((high - low) or 1), _height(value, top))
        for x, value in panel.points
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{path}" fill="none" stroke="{_MARK}" stroke-width="2"/>'
    for (x, y), (count, value) in zip(places, panel.points, strict=True):
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_MARK}"/>'
        yield _text(x, y - 8, _short(value), anchor="middle")
        yield _text(x, _HEIGHT - _BOTTOM + 16, _short(count), anchor="middle")
    yield _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6, panel.axis, anchor="middle")


def _bars(panel: Panel, top: float) -> Iterator[str]:
    room = (_WIDTH - _LEFT - _RIGHT) / len(panel.bars)
    for place, (label, value) in enumerate(panel.bars):
        middle, height = _LEFT + room * (place + 0.5), _height(value, top)
        width, base = min(room * 0.6, 60), _HEIGHT - _BOTTOM
        at = f'x="{middle - width / 2:.1f}" y="{height:.1f}" width="{width:.1f}" height="{base - height:.1f}"'
        yield f'<rect {at} fill="{_MARK}"/>'
        yield _text(middle, height - 4, _short(value), anchor="middle")
        for line, words in enumerate(label.split("\n")):
            yield _text(middle, base + 15 + 13 * line, words, anchor="middle")


def _height(value: float, top: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / top


def _step(most: float) -> float:
    """A round number that divides the axis into 3 to 7 parts."""
    power = 10 ** math.floor(math.log10(most or 1))
    return float(next(power * each for each in (0.2, 0.5, 1, 2) if most / (power * each) <= 6))


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:.3g}"


def _text(x: float, y: float, words: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>'


def _rule(x: float, y: float, to_x: float, to_y: float, *, opacity: float = 1, dashes: str = "none") -> str:
    at = f'x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"'
    return f'<line {at} stroke="{_INK}" stroke-opacity="{opacity}" stroke-dasharray="{dashes}"/>'
