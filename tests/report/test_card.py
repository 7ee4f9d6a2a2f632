"""The model card: front matter that the hub reads, no private paths, findings in plain words."""

import yaml

from belamy.report import model_card

RECIPE = {
    "game": {"use": "belamy.games.r3gan:R3GAN"},
    "data": {"path": "/home/ada/secret/digits"},
    "batch": 64,
    "seed": 0,
}
FACTS = {"count": 1437, "resolution": 8, "channels": 1, "classes": ["0", "<script>", "seven|pipe"]}
SUMMARY = {"examples": 100_000, "seconds": 112.0, "machine": {"cpu": "Xeon"}, "parameters": {"generator": 5000}}


def card(evaluation: dict | None = None, **facts) -> str:
    return model_card(RECIPE, {**FACTS, **facts}, evaluation, SUMMARY, "digits")


def entry(value: float | None, **more) -> dict:
    return {"metrics": {"memorisation": {"value": value, "floor": 0.5, "trivial": {"noisy_copies": 1.0}, **more}}}


def test_front_matter_is_what_the_hub_expects():
    front = yaml.safe_load(card().split("---\n")[1])
    assert front["library_name"] == "belamy" and front["pipeline_tag"] == "unconditional-image-generation"
    assert "r3gan" in front["tags"] and front["license"] == "other"
    assert "pipeline_tag" not in card(resolution=None).split("---\n")[1]


def test_paths_are_private_and_names_harmless():
    text = card()
    assert "From digits" in text and "ada" not in text and "secret" not in text
    assert "<script>" not in text and "seven\\|pipe" in text
    assert "--class 0 " in text  # the last name is no name to paste into a shell
    assert "--class sitting-cat " in card(classes=["sitting-cat"])


def test_results_stand_beside_floor_and_trivial_generators():
    kid = {"value": 0.0031, "stderr": 0.0007, "floor": 0.0004, "trivial": {"noisy_copies": 0.043, "gaussian": 0.187}}
    text = card({"metrics": {"kid": kid, "fid": {"value": None, "reason": "offline"}}})
    assert "| KID | 0.0031 ± 0.0007 | 0.0004 | 0.043 | 0.187 |" in text and "Not measured: offline" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.replace("\\|", "").count("|") for row in rows}) == 1


def test_memorisation_is_told_in_words():
    assert "Expect copies" in card(entry(0.9))
    assert "no sign of copies" in card(entry(0.53, share_of_copies=0.01))
    assert "20.0 % lie as near as copies" in card(entry(0.55, share_of_copies=0.2))
    assert "not measured (no training data)" in card(entry(None, reason="no training data"))
    assert "not measured." in card()


def test_nothing_known_is_said_so():
    text = model_card({}, {}, None, {}, "x")
    assert "Not recorded" in text and "Not evaluated yet" in text


def test_a_model_that_answers_says_how_it_is_asked():
    text = card(kind="translation", channels=3, classes=None)
    assert "belamy apply path/to/model" in text and "model.apply(" in text and "belamy sample" not in text
    assert yaml.safe_load(text.split("---\n")[1])["pipeline_tag"] == "image-to-image"
