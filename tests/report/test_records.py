"""The run folder: what is broken is left out, what was played again counts once."""

import json
import math
from pathlib import Path

from belamy.report.records import read_log, read_run, spaced


def write(path: Path, *events: dict, tail: str = "") -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events) + tail)
    return path


def step(examples: int, loss: float, **more) -> dict:
    return {"event": "step", "examples": examples, "terms": {"d/adversarial": loss}, **more}


def test_the_later_line_wins_and_the_order_is_that_of_examples(tmp_path):
    log = read_log(write(tmp_path / "log", step(100, 1), step(200, 2), step(300, 3), step(200, 5), step(300, 6)))
    assert log.curves("step", "terms") == {"d/adversarial": [(100, 1), (200, 5), (300, 6)]}


def test_two_remarks_at_one_place_are_both_kept(tmp_path):
    skip = {"event": "skip", "examples": 5}
    log = read_log(
        write(tmp_path / "log", {**skip, "message": "a"}, {**skip, "message": "b"}, {**skip, "message": "a"})
    )
    assert [event["message"] for event in log.of("skip")] == ["a", "b"]


def test_half_a_line_and_other_rubbish_are_left_out(tmp_path):
    path = write(
        tmp_path / "log", step(1, 1), tail='[1]\nnull\n\x00\xff{"event": 3}\n{"event":"step","examples":"x"}\n'
    )
    with path.open("ab") as file:
        file.write(b'\xff\xfe\n{"event":"step","examp')
    assert [event["examples"] for event in read_log(path).events] == [1]


def test_null_and_nan_are_gaps(tmp_path):
    (tmp_path / "log").write_text('{"event":"step","examples":1,"norms":{"g":NaN,"d":null,"x":true}}\n')
    norms = read_log(tmp_path / "log").curves("step", "norms")
    assert set(norms) == {"g", "d"} and all(math.isnan(points[0][1]) for points in norms.values())


def test_shares_are_weighted_by_time(tmp_path):
    steps = step(1, 0, seconds=1, share={"data": 1.0}), step(2, 0, seconds=4, share={"data": 0.2, "generator": 0.8})
    shares = read_log(write(tmp_path / "log", *steps)).shares
    assert list(shares) == ["generator", "data"] and math.isclose(shares["data"], (1 + 3 * 0.2) / 4)


def test_summary(tmp_path):
    start = {"event": "start", "machine": {"cpu": "x"}, "parameters": {"generator": 5}}
    metrics = [{"event": "metric", "examples": n, "values": {"kid": 1 / n}, "best": n < 3} for n in (1, 2, 3)]
    told = read_log(write(tmp_path / "log", start, step(400, 1, seconds=2.0), *metrics)).summary()
    assert (told["examples"], told["seconds"], told["rate"]) == (400, 2.0, 200.0)
    assert told["machine"] == {"cpu": "x"} and told["parameters"] == {"generator": 5}
    assert told["best"]["examples"] == 2


def test_samples_outside_the_run_are_not_read(tmp_path):
    run = tmp_path / "run"
    (run / "samples").mkdir(parents=True)
    for path in (tmp_path / "secret.png", run / "samples/000000010.png", run / "samples/real.png"):
        path.write_bytes(b"")
    (run / "samples/000000020.png").symlink_to(tmp_path / "secret.png")
    files = [{"event": "samples", "examples": n, "file": name} for n, name in ((1, "../secret.png"), (2, "a\x00b"))]
    write(run / "log.jsonl", *files)
    assert read_run(run).samples == {10: run / "samples/000000010.png"}


def test_film_keeps_the_ends_and_repeats_nothing():
    for count in (0, 1, 7, 8, 9, 12, 500):
        chosen = [n for n, _ in spaced([(n, Path()) for n in range(count)], 8)]
        assert len(chosen) == len(set(chosen)) == min(count, 8)
        assert not chosen or (chosen[0], chosen[-1]) == (0, count - 1)
