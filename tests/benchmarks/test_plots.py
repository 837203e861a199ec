"""Plots: each case has its own, drawn from the figures that it prints."""

from __future__ import annotations

from xml.etree import ElementTree

from benchmarks.plots.svg import Panel, svg


def test_points_and_bars_stand_as_high_as_their_values() -> None:
    curve = Panel("Memory", "MB", points=[(10, 40), (1_000, 80)], axis="executions", level=60)
    drawn = ElementTree.fromstring(svg([curve, Panel("Time", "s", bars=[("a\nb", 1.0), ("<c>", 2.0)])]))
    heights = [float(each.attrib["cy"]) for each in drawn.iter("{http://www.w3.org/2000/svg}circle")]
    bars = [float(each.attrib["height"]) for each in drawn.iter("{http://www.w3.org/2000/svg}rect")]
    assert 180 - heights[1] == 2 * (180 - heights[0])
    assert bars[1] == 2 * bars[0]
    words = [each.text for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Memory", "executions", "1,000", "a", "b", "<c>"} <= set(words)


def test_nothing_measured_is_drawn_as_nothing() -> None:
    assert ElementTree.fromstring(svg([Panel("All", "steps", bars=[("none", 0.0)])])) is not None
