"""The sections on a table: bars as long as their shares, the farthest first, hostile names harmless, small."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from belamy.report import write_report
from belamy.report.bars import column_chart
from belamy.report.heat import heat_map
from belamy.report.meanings import meaning, standing
from belamy.report.portraits import Column, columns_of
from belamy.report.records import read_run
from belamy.report.tables import SHOWN, associations, columns

HOSTILE = '<script>alert("1")</script>'


def entry(name: str = "x", **changes) -> dict:
    """A column as `portrait` describes it, of two categories in two frames."""
    return {
        "name": name, "kind": "category", "distance": 0.25, "values": ["a", "b"], "edges": [], "log": False,
        "shares": {"real": [0.5, 0.5], "generated": [0.25, 0.75]}, "other": {"real": 0, "generated": 0},
        "missing": {"real": 0, "generated": 0}, **changes,
    }  # fmt: skip


def number(edges: list[float], real: list[float], generated: list[float], **changes) -> dict:
    shares = {"real": real, "generated": generated}
    return entry(kind="number", edges=edges, shares=shares, **{"values": [], **changes})


def page(run: Path, portrait: object) -> str:
    (run / "portrait.json").write_text(json.dumps(portrait))
    return write_report(run).read_text(encoding="utf-8")


def drawn(told: dict) -> ET.Element:
    return ET.fromstring(column_chart(Column.model_validate(told)))


def paths(svg: ET.Element, style: str) -> list[str]:
    return [node.get("d", "") for node in svg.iter("path") if style in node.get("class", "").split()]


def words(svg: ET.Element) -> list[str]:
    return [node.text or "" for node in svg.iter("text")]


def test_a_run_without_a_portrait_has_neither_section(tmp_path):
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert "<h2>" not in text and "<section>" not in text
    assert "<section>" not in page(tmp_path, {"columns": [], "associations": {"names": [], "frames": {}}})


def test_the_farthest_column_is_first_and_the_distance_is_told(tmp_path):
    text = page(tmp_path, {"columns": [entry(f"c{n}", distance=n / 100) for n in range(SHOWN + 3)]})
    heads = re.findall("<h3>(.*?)</h3>", text)
    assert heads == [f"c{n}" for n in range(SHOWN + 2, 2, -1)]
    assert "Category, 0.62 from real" in text and f"Of {SHOWN + 3} columns these {SHOWN} are farthest." in text
    assert text.count("</i>Generated</li>") == 1 and "</i>Copula</li>" not in text


def test_rows_are_as_long_as_their_shares():
    svg = drawn(entry(missing={"real": 0, "generated": 0.1}))
    (real,), (made,) = paths(svg, "real"), paths(svg, "generated")
    lengths = [[float(h) for h in re.findall(r"M\S+ \S+h([\d.]+)", path)] for path in (real, made)]
    assert np.allclose(np.array(lengths) / lengths[1][1] * 0.75, [[0.5, 0.5, 0], [0.25, 0.75, 0.1]], atol=1e-3)
    assert words(svg) == ["75.0 %", "a", "b", "missing"]


def test_rows_beyond_ten_are_among_the_others():
    names = [f"n{n}" for n in range(15)]
    shares = {"real": [0.06] * 15, "generated": [0.04] * 15}
    svg = drawn(entry(values=names, shares=shares, other={"real": 0.1, "generated": 0.4}))
    assert words(svg) == ["60.0 %", *names[:10], "other"]
    assert "other: real 40.0 %, generated 60.0 %" in [title.text for title in svg.iter("title")]


def test_bins_are_as_high_as_their_shares():
    svg = drawn(number([0, 10, 20, 30], [0.2, 0.5, 0.3], [0, 1, 0]))
    (real,), (made,) = paths(svg, "real"), paths(svg, "steps")
    base, *tops, end = (float(y) for y in re.findall(r"(?:M\S+ |V)([\d.]+)", real))
    top = min(float(y) for y in re.findall(r"V([\d.]+)", made))
    assert base == end and np.allclose((base - np.array(tops)) / (base - top), [0.2, 0.5, 0.3], atol=1e-3)
    assert words(svg) == ["100.0 %", "0", "10", "20", "30"]


def test_bins_beside_a_heap_are_drawn_higher_and_say_so():
    svg = drawn(number([1, 2, 3], [0.9, 0.05, 0.05], [0.9, 0.1, 0], values=[0]))
    assert "× 5" in words(svg) and len(paths(svg, "generated")) == len(paths(svg, "steps")) == 1
    assert "× 5" not in words(drawn(number([1, 2, 3], [0.4, 0.3, 0.3], [0.4, 0.3, 0.3], values=[0])))


def test_baselines_are_thin_lines():
    frames = ("real", "generated", "independent", "copula", "unknown")
    none = dict.fromkeys(frames, 0.0)
    shares = {frame: [0.5, 0.5] for frame in frames}
    told = entry(kind="number", values=[0], edges=[1, 2], shares=shares, other=none, missing=none)
    styles = [node.get("class", "") for node in drawn(told).iter("path")]
    assert styles.count("thin c1") == styles.count("thin c2") == 2  # over the heap, and over the bins


@pytest.mark.parametrize(
    ("edges", "marks"),
    [([0, 366, 1200], ["1970", "1972"]), ([0, 200], ["1970-01", "1970-04", "1970-07"]), ([5.2, 5.5], []),
     ([5, 9], ["1970-01-06", "1970-01-08", "1970-01-10"]), ([-9e5, 2.9e6], None)],
)  # fmt: skip
def test_dates_are_marked_by_years_months_or_days(edges, marks):
    share = [1 / (len(edges) - 1)] * (len(edges) - 1)
    found = words(drawn(number(edges, share, share) | {"kind": "date"}))[1:]
    assert len(found) <= 3 if marks is None else found == marks


def test_what_came_from_files_can_not_act(tmp_path):
    shares = {"real": [0.5, 0.5], "generated": [1, 0], HOSTILE: [0, 0]}
    none = dict.fromkeys(shares, 0)
    hostile = entry(HOSTILE, values=[HOSTILE, "b & c"], shares=shares, other=none, missing=none)
    matrices = {"real": [[1, 0], [0, 1]], "generated": [[1, 1], [1, 1]], HOSTILE: [[0, 0], [0, 0]]}
    text = page(tmp_path, {"columns": [hostile], "associations": {"names": [HOSTILE, "b & c"], "frames": matrices}})
    assert text.count("<h2>") == 2 and text.count("<script>") == 1 and "&lt;script&gt;" in text and "b &amp; c" in text
    for svg in re.findall(r"<svg.*?</svg>", text):
        ET.fromstring(svg)


@pytest.mark.parametrize(
    "changes",
    [
        {"shares": {"real": [0.5, 0.5]}}, {"shares": {"real": [1], "generated": [1]}}, {"values": "ab"}, {"log": True},
        {"shares": {"real": [0.5, 0.5], "generated": [float("nan"), 1]}}, {"kind": "text"}, {"name": None},
        {"shares": {"real": [0.5, 0.5], "generated": [2, 1]}}, {"other": 3}, {"distance": float("inf")},
        number([0, 0], [1], [1]), number([1, 0], [1], [1]), number([0, 1e200], [1], [1]), number([0, 1e-320], [1], [1]),
        number([0, 1e9], [1], [1]) | {"kind": "date"}, number([0, 1], [1], [1], log=True),
    ],
)  # fmt: skip
def test_broken_columns_are_left_out(tmp_path, changes):
    text = page(tmp_path, {"columns": [entry() | {"name": "broken"} | changes, 3, entry("whole")]})
    assert re.findall("<h3>(.*?)</h3>", text) == ["whole"]


@pytest.mark.parametrize(
    "told",
    [number([], [], []), number([0, 1e100], [0], [0]), number([1, 2], [0], [0]), number([-1e-9, 1e-9], [1], [1]),
     number([1e99, 1.0001e99, 2e99], [0.5, 0.5], [1, 0]), number([1e-99, 1, 1e99], [0.5, 0.5], [1, 0], log=True),
     number([], [1], [1], values=["text"]), entry(values=[1.5, 1e90]), entry(values=["", "\x00"])],
)  # fmt: skip
def test_odd_columns_are_drawn(told):
    assert "nan" not in re.sub(r">[^<]*<", "><", column_chart(Column.model_validate(told)))


@pytest.mark.parametrize(
    "told", [None, [], {"names": ["a", "b"]}, {"names": ["a", "b"], "frames": {"real": [[1, 0], [0, 1]]}},
             {"names": ["a", "b"], "frames": {key: [[1, 0], [0]] for key in ("real", "generated")}},
             {"names": ["a", "b"], "frames": {key: [[1, 7], [0, 1]] for key in ("real", "generated")}}],
)  # fmt: skip
def test_broken_associations_are_left_out(tmp_path, told):
    assert "<h2>" not in page(tmp_path, {"columns": 3, "associations": told})


def test_heat_maps_join_cells_of_one_colour():
    svg = ET.fromstring(heat_map([[1, 1, 0.04], [-0.3, 0.52, 0.48], [0, 0, 0]], ["a", "b", "c"], "Map"))
    cells = {(node.get("class"), node.get("stroke-opacity")): node.get("d") for node in svg.iter("path")}
    assert cells["cell c0", "1"] == "M0 0.5h2" and cells["cell c1", "0.3"] == "M0 1.5h1"
    assert cells["cell c0", "0.5"] == "M1 1.5h2" and ("cell c0", "0") not in cells
    assert [node.text for node in svg.iter("title")] == ["a: b 1; c 0.04", "b: c 0.48; a −0.3", "c: a 0; b 0"]


def test_differences_are_named_and_the_copula_is_drawn(tmp_path):
    frames = {"real": [[1, 0.9], [0.9, 1]], "generated": [[1, 0.4], [0.4, 1]], "copula": [[1, 0.5], [0.5, 1]]}
    text = page(tmp_path, {"associations": {"names": ["age", "pay"], "frames": frames}})
    assert re.findall("<h3>(.*?)</h3>", text) == ["Real", "Generated", "Generated less real", "Copula"]
    assert "age with pay (0.9 real, 0.4 generated)" in text and "Of 1 pairs the mean difference is 0.5." in text
    assert '<path class="cell c1" stroke-opacity="1" d="M1 0.5h1M0 1.5h1"/>' in text


def test_42_columns_are_small(tmp_path):
    rng = np.random.default_rng(0)
    frames = ("real", "generated", "copula", "independent")
    none = dict.fromkeys(frames, 0.01)
    told = {"values": [], "edges": list(range(31)), "kind": "number", "other": none, "missing": none}
    numbers = [told | {"shares": {f: rng.dirichlet(np.ones(30)).tolist() for f in frames}} for _ in range(21)]
    told |= {"values": [f"category number {n}" for n in range(15)], "edges": [], "kind": "category"}
    texts = [told | {"shares": {f: rng.dirichlet(np.ones(15)).tolist() for f in frames}} for _ in range(21)]
    matrices = {frame: rng.random((40, 40)).round(2).tolist() for frame in frames}
    names = [f"a name of a column {n}" for n in range(40)]
    listed = [entry(f"column {n}", **one) for n, one in enumerate(numbers + texts)]
    page(tmp_path, {"columns": listed, "associations": {"names": names, "frames": matrices}})
    record = read_run(tmp_path)
    assert len(columns_of(record.portrait)) == 42
    assert len(columns(record)) + len(associations(record)) < 300_000


def test_metrics_of_tables_are_known():
    told = {name: meaning(name) for name in ("shapes", "trends", "quality", "rare", "useful_auc", "useful_r2")}
    assert all(how.better == "higher" and how.sentence for how in told.values())
    assert meaning("distinguishable")[0] == "Told apart" and meaning("distinguishable").ideal == 0.5
    assert meaning("nearer").better == meaning("membership").better == "target"
    assert meaning("violations").ideal == 0 and meaning("copies").percent
    assert meaning("useful_f1_income").title == "Useful, F1 (income)"
    where = standing({"value": 0.5, "trivial": {"independent": 1.0}}, meaning("distinguishable"))
    assert where is not None and where.verdict == "like real data"
