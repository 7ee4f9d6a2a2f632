"""Numbers in words, and where a value stands."""

import math

import pytest

from belamy.report.meanings import meaning, standing
from belamy.report.words import compact, data_in_words, duration, figure


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.01234, "0.0123"), (0.5, "0.5"), (12.84, "12.8"), (99968, "99,968"), (0, "0"), (-0.002, "−0.002"),
     (3.1e-6, "3.1e−6"), (math.nan, "–"), (math.inf, "–")],
)  # fmt: skip
def test_figures(value, words):
    assert figure(value) == words


def test_short_forms():
    assert [compact(x) for x in (12_800, 2e6, 999_999, 0.05, 100_000)] == ["12.8k", "2M", "1M", "0.05", "100k"]
    assert [duration(x) for x in (4.25, 48.2, 112, 11_100, 187_200)] == [
        "4.2 s", "48 s", "1 min 52 s", "3 h 05 min", "2 d 4 h"]  # fmt: skip


def test_data_in_words():
    facts = {"count": 1437, "resolution": 8, "channels": 1, "classes": [str(n) for n in range(10)]}
    assert data_in_words(facts) == "1,437 grey pictures of 8 × 8 pixels in 10 classes"
    assert data_in_words({"resolution": [32, 64]}) == "pictures of 64 × 32 pixels"
    assert data_in_words({}) == ""


def stands(name: str, value: float, **entry) -> str:
    found = standing({"value": value, **entry}, meaning(name))
    return found.verdict if found else ""


def test_standing_follows_the_direction():
    kid = {"floor": 0.001, "trivial": {"noisy_copies": 0.05, "gaussian": 0.2}}
    assert stands("kid", 0.0005, **kid) == "like real data"
    assert stands("kid", 0.01, **kid) == "close to real data"
    assert stands("kid_efficientnet", 0.1, **kid) == "part of the way"
    assert stands("kid", 0.3, **kid) == "no better than trivial"
    assert stands("kid", 0.01, stderr=0.005, **kid) == "like real data"  # within two standard errors
    assert stands("coverage", 0.97, floor=0.95, trivial={"gaussian": 0.0}) == "like real data"
    assert stands("coverage", 0.0, floor=0.95, trivial={"gaussian": 0.0}) == "no better than trivial"


def test_copies_stand_far_from_real_data_and_so_does_too_much_distance():
    memorisation = {"floor": 0.5, "trivial": {"noisy_copies": 0.99}}
    assert stands("memorisation", 0.9, **memorisation) == "part of the way"
    assert stands("memorisation", 0.502, **memorisation) == "like real data"
    assert stands("memorisation", 1.0, **memorisation) == "no better than trivial"
    assert stands("memorisation", 0.0, **memorisation) == "no better than trivial"


def test_nothing_to_compare_with_says_nothing():
    assert stands("kid", 0.1, floor=None, trivial=None) == "" and stands("unheard_of", 1.0, trivial={"a": 1.0}) == ""


def test_a_new_metric_may_explain_itself():
    how = meaning("validity", {"better": "higher", "ideal": 1, "title": "Valid", "meaning": "Parsed by the grammar."})
    assert how == ("Valid", "Parsed by the grammar.", "higher", 1.0, False)
