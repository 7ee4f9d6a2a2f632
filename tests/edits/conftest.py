"""Untrained models to edit, of each kind that makes pictures."""

from __future__ import annotations

import pytest
from untrained import made

from belamy.model import Model


@pytest.fixture(params=["stylegan", "r3gan", "gan"])
def model(request: pytest.FixtureRequest) -> Model:
    return made(request.param)
