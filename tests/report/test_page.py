"""The report: complete, offline, small, and unmoved by anything a run folder can hold."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from belamy.errors import UserError
from belamy.report import write_report
from belamy.report.embed import embed

HOSTILE = '<script>alert("1")</script><img src=x onerror=alert(1)>'
EVIL = {
    "resolution": 8,
    "channels": 1,
    "count": 90,
    "classes": [HOSTILE, "7"],
}


class Page(HTMLParser):
    """The tags of a page, and whether each one that was opened is closed."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "br", "line", "circle"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in ("line", "circle"):
            assert self.open.pop() == tag


@pytest.fixture
def run(tmp_path) -> Path:
    """A run folder with every file, and a hostile name wherever one can be."""
    folder = tmp_path / f"run & {HOSTILE.replace('/', '')[:20]}"
    (folder / "samples").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("real", "generated", "neighbours", *(f"{k * 1000:09d}" for k in range(12))):
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(folder / f"samples/{name}.png")
    (folder / "recipe.yaml").write_text(f"game: {{use: 'a:{HOSTILE}'}}\n# see https://example.org\n")
    (folder / "facts.json").write_text(json.dumps(EVIL))
    events = [{"event": "start", "machine": {HOSTILE: HOSTILE}, "parameters": {HOSTILE: 7}}]
    events += [
        {"event": "step", "examples": n * 100, "seconds": n * 0.1, "rate": 990.0 + n, "memory_mb": 812,
         "terms": {f"{HOSTILE}/a": 1 / (n + 1), "generator/b": float("nan")}, "norms": {"generator": 0.4},
         "seen": {"d/sign": 0.1}, "share": {HOSTILE: 0.5, "data": 0.1}}
        for n in range(120)
    ]  # fmt: skip
    events += [{"event": "metric", "examples": n, "values": {"kid": 0.1, "kid_stderr": 0.01, HOSTILE: 1}, "best": True}
               for n in (0, 9000)]  # fmt: skip
    events += [{"event": kind, "examples": 50, "message": HOSTILE} for kind in ("skip", "rollback", "resume", "note")]
    (folder / "log.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events) + '{"event": "st')
    kid = {
        "value": 0.01,
        "stderr": 0.002,
        "floor": 0.001,
        "trivial": {"gaussian": 0.3, HOSTILE: 0.2},
        "features": HOSTILE,
    }
    missing = {"value": None, "reason": HOSTILE}
    evaluation = {"metrics": {"kid": kid, "fid": missing, HOSTILE: 3.0}, "n": 90, "seconds": 2.0, "notes": [HOSTILE]}
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    return folder


def test_everything_is_there_and_nothing_is_left_behind(run):
    before = set(run.iterdir())
    path = write_report(run)
    text = path.read_text(encoding="utf-8")
    assert set(run.iterdir()) == before | {path}
    headings = re.findall("<h2>(.*?)</h2>", text)
    assert headings == [
        "Real beside generated", "Samples over time", "Nearest in the training data", "How good it is",
        "Quality while training", "Losses", "Health", "How long it took", "Remarks", "Recipe and data",
    ]  # fmt: skip
    assert len(re.findall("<img ", text)) == 3 + 8
    assert Page(text).open == []


def test_what_came_from_files_can_not_act(run):
    page = Page(write_report(run).read_text(encoding="utf-8"))
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not any(key.startswith("on") for _, attributes in page.tags for key in attributes)
    assert all((attributes.get("src") or "").startswith("data:image/") for tag, attributes in page.tags if tag == "img")


def test_the_page_loads_nothing(run):
    text = write_report(run).read_text(encoding="utf-8")
    loaded = [a[key] or "" for _, a in Page(text).tags for key in ("src", "href", "srcset", "data") if key in a]
    assert loaded and all(address.startswith("data:") for address in loaded)
    assert not re.search(r"<script[^>]+src|@import|url\(", text)
    policy = next(a["content"] for t, a in Page(text).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy and "script-src 'sha256-" in policy and "http" not in policy


def test_an_empty_folder_has_a_report_too(tmp_path):
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert "<h1>" in text and "<h2>" not in text


def test_without_a_folder_the_error_teaches(tmp_path):
    with pytest.raises(UserError, match="belamy train --out"):
        write_report(tmp_path / "missing")


@pytest.mark.parametrize("name", ["recipe.yaml", "facts.json", "log.jsonl", "evaluation.json", "portrait.json"])
@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00",
        b"[1, 2]",
        b"{",
        b"null",
        b"[" * 700,
        b'{"metrics": [1], "game": {"use": [3]}, "classes": "x", "count": true, "resolution": [1]}',
        b'{"event": "step", "examples": 1e999, "terms": [], "share": 3}',
        b'{"event": "metric", "examples": 3, "values": {"kid": "x"}, "best": true, "seconds": Infinity}',
    ],
)
def test_any_file_may_be_broken(run, name, content):
    (run / name).write_bytes(content)
    assert "<h1>" in write_report(run).read_text(encoding="utf-8")


def test_lone_surrogates_are_written_somehow(run):
    (run / "facts.json").write_text('{"classes": ["\\ud800"], "count": 3}')
    write_report(run).read_text(encoding="utf-8")


def test_large_pictures_are_made_to_fit(run):
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), dtype=np.uint8)
    for path in (run / "samples").glob("*.png"):
        path.unlink()
    Image.fromarray(noise).save(run / "samples/generated.png", compress_level=0)
    picture = embed(run / "samples/generated.png", 30_000)
    assert picture is not None and len(picture.address) < 30_100
    assert write_report(run).stat().st_size < 8_000_000


def test_broken_and_huge_pictures_are_left_out(run):
    whole = (run / "samples/generated.png").read_bytes()
    (run / "samples/generated.png").write_bytes(whole[: len(whole) // 2])
    Image.new("1", (9000, 9000)).save(run / "samples/real.png")
    text = write_report(run).read_text(encoding="utf-8")
    assert "Real beside generated" not in text and "Samples over time" in text
