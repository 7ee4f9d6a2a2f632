"""Encoders: what they read, what they refuse, and that a model knows its own."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
import pytest

from belamy.errors import UserError
from belamy.text.embedded import Texts, centred
from belamy.text.encoders import checked, encoder
from belamy.text.prompts import Prompt, conditions


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    path = tmp_path / "glove.txt"
    path.write_text("red 3 0 4\nblue 0 1 0\ncat 1 1 1\n")
    return path


def test_a_text_is_the_mean_of_its_words(vectors: Path) -> None:
    found, cut = encoder(str(vectors)).encode(["red, Blue!", "unheard of", "cat red blue"], words=2)
    assert found.shape == (3, 3, 3) and not cut
    assert found[0, 1] == pytest.approx([0.6, 0, 0.8])
    assert found[0, 2] == pytest.approx([0, 1, 0])
    mean = np.array([0.3, 0.5, 0.4])
    assert found[0, 0] == pytest.approx(mean / np.linalg.norm(mean))
    assert not found[1].any()


def test_word2vec_in_both_its_forms(tmp_path: Path) -> None:
    text, binary = tmp_path / "w2v.txt", tmp_path / "w2v.bin"
    text.write_text("2 3\nred 3 0 4\nblue 0 1 0\n")
    rows = b"".join(word + b" " + struct.pack("<3f", *row) + b"\n" for word, row in
                    ((b"red", (3, 0, 4)), (b"blue", (0, 1, 0))))  # fmt: skip
    binary.write_bytes(b"2 3\n" + rows)
    for path in (text, binary):
        found, _ = encoder(str(path)).encode(["red blue"], words=2)
        assert found[0, 1:] == pytest.approx(np.array([[0.6, 0, 0.8], [0, 1, 0]]))


@pytest.mark.parametrize("content", [b"", b"red one two", b"red 1 2\nblue 1\n", b"3 4\nred \x00\x00", b"red nan 1"])
def test_files_that_hold_no_vectors(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.txt").write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.txt"):
        encoder(str(tmp_path / "broken.txt"))


def test_prompts_that_say_nothing(vectors: Path) -> None:
    own = encoder(str(vectors))
    assert checked("a red one", own) == "a red one"
    with pytest.raises(UserError, match="empty"):
        checked("  ", own)
    with pytest.raises(UserError, match="knows no word of"):
        checked("привет", own)


@pytest.mark.parametrize("guidance", [-1.0, float("nan"), float("inf"), 1e30])
def test_guidance_that_would_paint_nothing_of_use(guidance: float) -> None:
    with pytest.raises(UserError, match="should be from 0 to 100"):
        Prompt("red", guidance=guidance)


def test_a_model_refuses_another_encoder(vectors: Path, tmp_path: Path) -> None:
    facts = Texts(["red", "blue cat"], str(vectors), 2, tmp_path / "kept").facts
    found = conditions(Prompt("red", negative="blue"), {"text": facts})
    assert found["text"].shape == found["against"].shape == (1, 3, 3)
    assert found["guidance"].tolist() == [1.5]
    with pytest.raises(UserError, match="not the one that this model learnt with"):
        conditions(Prompt("red"), {"text": {**facts, "hash": "0" * 64}})
    with pytest.raises(UserError, match="reads no prompts"):
        conditions(Prompt("red"), {})


def test_texts_are_encoded_once(vectors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Texts(["red", "blue cat"], str(vectors), 2, tmp_path / "kept")
    monkeypatch.setattr(type(encoder(str(vectors))), "encode", lambda *_: pytest.fail("encoded anew"))
    again = Texts(["red", "blue cat"], str(vectors), 2, tmp_path / "kept")
    rows = again.rows(np.array([[1], [0]]))
    assert rows.shape == (2, 1, 3, 3)
    assert rows.equal(first.rows(np.array([[1], [0]])))


def test_what_all_texts_have_in_common_is_taken_away(vectors: Path, tmp_path: Path) -> None:
    texts = Texts(["red", "blue", "red blue", "cat red"], str(vectors), 2, tmp_path)
    rows, raw = texts.rows(np.arange(4)).double(), encoder(str(vectors)).encode(["red"], 2)[0]
    assert rows[:, 0].mean(0).tolist() == pytest.approx([0, 0, 0], abs=1e-3)
    assert rows[:, 0].square().sum(1).mean().item() == pytest.approx(1, abs=1e-2)
    assert not rows[0, 2].any()  # a word that is not there stays away
    assert centred(raw.astype(np.float16), texts.facts)[0].tolist() == rows[0].tolist()


def test_the_packaged_model_reads_and_cuts() -> None:
    pytest.importorskip("sentence_transformers")
    own = encoder("minilm")
    assert own.width == 384
    pair = ["a large red circle", "a big red circle", "the tax returns of last year"]
    found, cut = own.encode([*pair, "word " * 10_000], words=8)
    assert cut == [3]
    assert np.linalg.norm(found[:, 0], axis=1) == pytest.approx(np.ones(4), abs=1e-4)
    near, far = found[0, 0] @ found[1, 0], found[0, 0] @ found[2, 0]
    assert near > 0.8 > 0.3 > far
    with pytest.raises(UserError, match="knows no word"):
        checked("ཀཁག", own)
    with pytest.raises(UserError, match="there is no text encoder"):
        encoder("./nowhere")


def test_long_prompts_are_cut_with_a_warning(vectors: Path, tmp_path: Path) -> None:
    facts = Texts(["red", "blue cat"], str(vectors), 2, tmp_path / "kept").facts
    with pytest.warns(UserWarning, match="too long"):
        conditions(Prompt("red blue " * 5000), {"text": facts})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        conditions(Prompt("red cat blue red"), {"text": facts})
