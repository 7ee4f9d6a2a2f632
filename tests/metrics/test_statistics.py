"""The statistics against closed forms, plain twins and torchmetrics, and on sets whose answer is known."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from belamy.errors import UserError
from belamy.metrics.distances import nearest, radii
from belamy.metrics.fid import frechet_distance
from belamy.metrics.kid import kid
from belamy.metrics.memorisation import memorisation
from belamy.metrics.prdc import prdc


def normal(rows: int, dimension: int, seed: int, mean: float = 0.0, std: float = 1.0) -> Tensor:
    return mean + std * torch.randn(rows, dimension, generator=torch.Generator().manual_seed(seed))


def test_frechet_is_the_closed_form_of_gaussians() -> None:
    x, y = normal(20_000, 4, 0), normal(20_000, 4, 1, mean=0.5, std=2.0)
    assert frechet_distance(x, y) == pytest.approx(4 * 0.5**2 + 4 * (2 - 1) ** 2, rel=0.03)


@pytest.mark.parametrize(("n", "m"), [(300, 200), (20, 300), (20, 15)])
def test_frechet_is_that_of_moments(n: int, m: int) -> None:
    linalg = pytest.importorskip("scipy.linalg")
    x, y = (normal(rows, 30, rows) @ normal(30, 30, 7) for rows in (n, m))
    a, b = np.cov(x.double().numpy(), rowvar=False), np.cov(y.double().numpy(), rowvar=False)
    root = linalg.sqrtm(a @ b).real if min(n, m) > 30 else None
    trace = np.trace(root) if root is not None else np.sqrt(np.linalg.eigvals(a @ b).real.clip(0)).sum()
    mean = float((x.double().mean(0) - y.double().mean(0)).square().sum())
    assert frechet_distance(x, y) == pytest.approx(mean + np.trace(a) + np.trace(b) - 2 * trace, rel=1e-5)


def test_frechet_of_a_set_and_itself_is_nothing() -> None:
    x = normal(40, 100, 0)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-8)


def test_kid_is_torchmetrics() -> None:
    twin = pytest.importorskip("torchmetrics.image.kid")
    x, y = normal(200, 16, 0).double(), normal(200, 16, 1, mean=0.3).double()
    assert kid(x, y)[0] == pytest.approx(float(twin.poly_mmd(x, y)), rel=1e-9)


def test_kid_is_the_sum_over_pairs_in_chunks_too() -> None:
    x, y = normal(1100, 6, 0), normal(30, 6, 1, mean=0.2)
    a, b = x.double().numpy(), y.double().numpy()

    def mean(p: np.ndarray, q: np.ndarray, own: bool) -> float:
        kernel = (p @ q.T / 6 + 1) ** 3
        return float((kernel.sum() - own * np.trace(kernel)) / (len(p) * (len(q) - own)))

    assert kid(x, y)[0] == pytest.approx(mean(a, a, True) + mean(b, b, True) - 2 * mean(a, b, False), rel=1e-4)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_kid_is_unbiased_and_its_error_is_not_too_small(shift: float) -> None:
    found = torch.tensor([kid(normal(60, 8, seed), normal(50, 8, 1000 + seed, mean=shift)) for seed in range(200)])
    values, errors = found[:, 0], found[:, 1]
    truth = kid(normal(8000, 8, 1), normal(8000, 8, 2, mean=shift))[0]
    assert abs(float(values.mean()) - truth) < 4 * float(values.std()) / math.sqrt(200)
    assert 0.85 < float(errors.mean() / values.std()) < 1.8


def test_neighbours_are_those_of_cdist() -> None:
    x, y = normal(2100, 5, 0, mean=3.0), normal(300, 5, 1, mean=3.0)
    distances, indices = nearest(x, y)
    expected = torch.cdist(x.double(), y.double()).min(1)
    assert torch.allclose(distances.double(), expected.values, atol=1e-3)
    assert (indices == expected.indices).float().mean() > 0.999
    others = torch.cdist(y.double(), y.double()).topk(4, largest=False).values[:, 3]
    assert torch.allclose(radii(y, 3).sqrt().double(), others, atol=1e-3)


def test_prdc_is_its_definition() -> None:
    real, fake, k = normal(60, 3, 0), normal(70, 3, 1, mean=0.5), 5
    across = torch.cdist(real.double(), fake.double()).numpy()
    real_radii, fake_radii = (
        np.sort(torch.cdist(x.double(), x.double()).numpy(), 1)[:, k] for x in (real, fake)
    )  # fmt: skip
    inside = across <= real_radii[:, None]
    assert prdc(real, fake, k) == pytest.approx(
        {
            "precision": inside.any(0).mean(),
            "recall": (across <= fake_radii[None]).any(1).mean(),
            "density": inside.sum(0).mean() / k,
            "coverage": inside.any(1).mean(),
        }
    )


def test_prdc_of_sets_that_are_the_same_or_far_apart() -> None:
    x = normal(100, 4, 0)
    same = prdc(x, x)
    assert (same["precision"], same["recall"], same["coverage"]) == (1, 1, 1)
    assert set(prdc(x, x + 100).values()) == {0}


def test_a_dropped_mode_lowers_recall_and_coverage_and_not_precision() -> None:
    real = torch.cat([normal(300, 4, 0), normal(300, 4, 1, mean=20)])
    found = prdc(real, normal(600, 4, 2))
    assert found["precision"] > 0.85
    assert found["recall"] < 0.55
    assert found["coverage"] < 0.55


def test_memorisation_tells_copies_from_new_pictures() -> None:
    train, unseen, new = normal(500, 8, 0), normal(300, 8, 1), normal(300, 8, 2)
    assert memorisation(new, unseen, train).value == pytest.approx(0.5, abs=0.07)
    assert memorisation(new, unseen, train).share_of_copies < 0.05
    assert memorisation(unseen, unseen, train).value == pytest.approx(0.5)
    copies = memorisation(train[:100], unseen, train)
    assert copies.value > 0.99
    assert copies.share_of_copies == 1
    assert copies.neighbours.tolist() == list(range(100))
    some = memorisation(torch.cat([new[:270], train[:30]]), unseen, train)
    assert some.share_of_copies == pytest.approx(0.11, abs=0.02)


def test_too_few_rows_are_named() -> None:
    few = normal(2, 4, 0)
    for metric in (lambda: kid(few, few), lambda: prdc(few, few), lambda: frechet_distance(few[:1], few)):
        with pytest.raises(UserError, match=r"pictures on either side"):
            metric()
