"""Sheets: whose layers a mixed picture has, and what truncation does."""

from __future__ import annotations

import numpy as np
import pytest
from untrained import made

from belamy.edits.mix import mix, sweep
from belamy.errors import UserError


def test_each_cell_has_its_rows_coarse_layers_and_its_columns_fine_ones() -> None:
    model = made("stylegan")
    sheet = mix(model, 2, 3, seed=4).reshape(3, 4, 8, 8, 3)
    sources = model.sample(5, seed=4, output_type="np").images
    assert (sheet[0, 0] == 255).all()
    assert np.array_equal(sheet[1:, 0], sources[:2]) and np.array_equal(sheet[0, 1:], sources[2:])
    given = model.given(5, 4)
    layers = given["styles"].shape[1]
    cell = {key: value[1:2].clone() for key, value in given.items()}
    cell["styles"][:, layers // 2 :] = given["styles"][4, layers // 2 :]
    assert np.abs(model.codec.decode(model.make(cell)["image"])[0].astype(int) - sheet[2, 3]).max() <= 1
    assert np.array_equal(mix(model, 2, 3, coarse=layers, seed=4).reshape(3, 4, 8, 8, 3)[2, 3], sources[1])


def test_a_game_without_styles_says_so() -> None:
    with pytest.raises(UserError, match="R3GAN has no styles to mix: train the recipe stylegan"):
        mix(made("r3gan"))
    with pytest.raises(UserError, match="R3GAN has no styles to truncate: train the recipe stylegan"):
        sweep(made("r3gan"))


def test_a_sweep_leads_from_the_typical_to_the_sample() -> None:
    model = made("stylegan")
    sheet = sweep(model, 3, (0.0, 0.5, 1.0), seed=2).reshape(3, 3, 8, 8, -1)
    assert np.array_equal(sheet[:, 2], model.sample(3, seed=2, output_type="np").images)
    assert np.array_equal(sheet[:, 1], model.sample(3, seed=2, truncation=0.5, output_type="np").images)
    assert np.abs(sheet[:, 0].astype(int) - sheet[0, 0]).max() < np.abs(sheet[:, 2].astype(int) - sheet[0, 2]).max()
