"""One torch thread in every test process: small steps are many times faster, and tests run beside each other."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 16x16 RGB noise in two classes."""
    from tiny import draw_pictures

    return draw_pictures(tmp_path_factory.mktemp("data") / "pictures", {"cat": 14, "dog": 14})
