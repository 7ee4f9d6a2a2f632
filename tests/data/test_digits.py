"""The digits of scikit-learn as a source."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("sklearn")

from belamy.data.digits import Digits


def test_digits_are_split_by_class_and_keep_their_values() -> None:
    source = Digits(seed=1)
    other = source.heldout()
    assert other is not None and len(source) + len(other) == 1797 and abs(len(other) / 1797 - 0.2) < 0.005
    assert source.facts["classes"] == list("0123456789") and source.facts["channels"] == 1
    theirs = torch.bincount(other.plain(np.arange(len(other)))["class"])
    share = theirs / (theirs + torch.tensor(source.facts["class_counts"]))
    assert ((share - 0.2).abs() < 0.01).all()
    images = source.plain(np.arange(len(source)))["image"]
    assert images.shape == (len(source), 1, 8, 8)
    steps = (images + 1) * 8  # 0 to 16, within half a grey level of uint8
    assert (steps - steps.round()).abs().max() < 0.5 / 255 * 16 + 1e-4 and steps.max() == 16


def test_draw_is_a_function_of_position() -> None:
    whole = Digits(seed=1).draw(1400, 100)
    parts = [Digits(seed=1).draw(1400, 37), Digits(seed=1).draw(1437, 63)]
    assert all(torch.equal(whole[name], torch.cat([part[name] for part in parts])) for name in whole)
    assert not torch.equal(Digits(seed=2).draw(1400, 100)["class"], whole["class"])
