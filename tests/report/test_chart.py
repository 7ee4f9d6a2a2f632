"""Charts: as many lines as series, breaks where values are missing, labels apart, hostile names harmless."""

import math
import random
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from belamy.report.chart import BOTTOM, MOST, TOP, line_chart
from belamy.report.scale import Scale, decades, ticks


def lines(svg: str, style: str = "line") -> list[str]:
    return [node.get("d", "") for node in ET.fromstring(svg).iter("path") if style in node.get("class", "").split()]


def test_one_path_for_each_series():
    svg = line_chart({"a": [(0, 1), (1, 2)], "b": [(0, 3), (1, 1)]}, "Two")
    assert len(lines(svg)) == 2 and not lines(svg, "raw")


def test_what_is_not_finite_breaks_the_line_and_not_the_chart():
    values = [1.0, 2.0, math.nan, 3.0, math.inf, 2.0, 1.0]
    (path,) = lines(line_chart({"loss": list(enumerate(values))}, "Loss"))
    assert path.count("M") == 3 and "nan" not in path and "inf" not in path


@pytest.mark.parametrize("points", [[], [(0, math.nan)], [(5, 2.0)], [(0, 0.0), (1, 0.0)], [(0, -1e300), (1, 1e300)]])
def test_degenerate_data_still_gives_a_chart(points):
    svg = line_chart({"x": points}, "Degenerate")
    ET.fromstring(svg)
    assert "nan" not in re.sub(r">[^<]*<", "><", svg)


def test_noise_is_smoothed_and_long_lines_are_thinned():
    rng = random.Random(0)
    points = [(i, 1 + rng.gauss(0, 0.3) + (1000 if i == 2500 else 0)) for i in range(5000)]
    svg = line_chart({"loss": points}, "Loss")
    (calm,), (raw,) = lines(svg), lines(svg, "raw")
    assert len(re.findall("[ML]", calm)) <= MOST and len(re.findall("[ML]", raw)) <= MOST
    heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", calm)]
    assert max(heights) - min(heights) < 0.1 * (BOTTOM - TOP)  # neither the noise nor the spike


def test_scale_is_logarithmic_for_large_ratios_of_positive_values_only():
    assert 'data-log="1"' in line_chart({"kid": [(0, 0.5), (1, 0.001)]}, "KID")
    assert 'data-log="0"' in line_chart({"kid": [(0, 0.5), (1, -0.001)]}, "KID")
    assert 'data-log="0"' in line_chart({"kid": [(0, 0.5), (1, 0.001)]}, "KID", log_y=False)


def test_references_beyond_the_scale_are_told_with_an_arrow():
    svg = line_chart({"kid": [(0, 1.0), (1, 1.2)]}, "KID", references={"floor": 1.1, "gaussian": 900.0})
    assert svg.count('class="reference"') == 2 and "gaussian 900 ↑" in svg and "floor 1.1<" in svg


def test_a_reference_that_has_no_place_on_a_logarithmic_scale_is_told_too():
    assert "floor −0.001 ↓" in line_chart({"kid": [(0, 0.5), (1, 0.001)]}, "KID", references={"floor": -0.001})


def test_labels_never_overlap():
    svg = line_chart({f"term {i}": [(0, 1.0), (1, 1.0 + i * 1e-6)] for i in range(9)}, "Crowd")
    places = sorted(float(n.get("y", "")) for n in ET.fromstring(svg).iter("text") if "label" in n.get("class", ""))
    assert len(places) == 9 and min(b - a for a, b in pairwise(places)) > 11
    assert places[0] >= TOP and places[-1] <= BOTTOM + 5


def test_names_are_escaped():
    svg = line_chart({"<script>x": [(0, 1), (1, 2)]}, '"><b>', marks=[(0.5, "<i>")], y_label="&")
    assert "<script" not in svg and "<b>" not in svg and "<i>" not in svg
    ET.fromstring(svg)


def test_ticks_are_round():
    assert ticks(0, 99_968) == [0, 20_000, 40_000, 60_000, 80_000, 100_000]
    assert ticks(-1, 1) == [-1, -0.5, 0, 0.5, 1]
    assert decades(0.0008, 0.3) == pytest.approx([0.001, 0.003, 0.01, 0.03, 0.1, 0.3])
    assert len(decades(1e-12, 1e12)) <= 6


def test_logarithmic_scale_puts_the_geometric_mean_in_the_middle():
    assert Scale(0.01, 100, 0, 10, log=True)(1) == pytest.approx(5)
