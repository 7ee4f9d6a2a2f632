"""How like real series synthetic ones are, and how useful: what can be told apart, classified, and foretold by them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from belamy.errors import UserError

Floats = NDArray[np.float64]

TREES = 300
FEWEST = 10
"""Series of each kind from which on a classifier says anything."""
WINDOW = 8
"""Steps that the next is foretold from, at most."""
WINDOWS = 5_000
DIGITS = 4
"""After the point, of features, over the deviation of real series."""


def discriminative(real_train: Floats, real_heldout: Floats, synthetic: Floats, seed: int = 0) -> float:
    """|accuracy - .5| of a classifier that tells real from synthetic series [N, T, C] or [N, T]: 0 where it cannot.

    It learns from ``real_train`` and as many synthetic ones, and is tested on ``real_heldout`` and as many synthetic
    ones that it has not seen (Yoon et al., 2019, who took a recurrent network): 300 extremely random trees on values,
    steps, and what sums up each series (see ``features``). Of trees, forests, boosting, kernels, perceptrons and
    regressions these told noisy copies and Gaussians best. NaN is missing, or after the end.

    Raises:
        UserError: fewer than ten series on either side, or other channels.
    """
    train, test, made = _alike(real_train, real_heldout, synthetic)
    share = len(made) / (len(train) + len(test))
    learnt = min(len(train), int(len(train) * share))
    tested = min(len(test), len(made) - learnt)
    if min(learnt, tested) < FEWEST:
        raise UserError(f"{len(train)}, {len(test)} and {len(made)} series are too few to tell apart; give more")
    rng = np.random.default_rng(seed)
    scale = np.nanstd(train, axis=(0, 1))
    scale = np.where(scale > 0, scale, 1.0)
    train, test, made = (part[rng.permutation(len(part))] / scale for part in (train, test, made))
    x, unseen = np.concatenate([train[:learnt], made[:learnt]]), np.concatenate([test[:tested], made[-tested:]])
    chances = _chances(features(x), np.repeat([0, 1], learnt), features(unseen), seed)
    right = (chances[:, 1] > 0.5) == np.repeat([False, True], tested)
    return abs(float(right.mean()) - 0.5)


def usefulness(
    train: tuple[Floats, NDArray[Any]], heldout: tuple[Floats, NDArray[Any]], synthetic: tuple[Floats, NDArray[Any]],
    seed: int = 0,
) -> dict[str, float]:
    """Accuracy on held-out series of a classifier that learnt from synthetic ones, ``tstr``, and real ones, ``trtr``.

    Each is series [N, T, C] or [N, T] and their labels [N]; the classifier is that of ``discriminative``. Synthetic
    series are taken as many as there are to train on (Esteban et al., 2017).
    """
    x, unseen, made = _alike(train[0], heldout[0], synthetic[0])
    made, labels = made[: len(x)], np.asarray(synthetic[1])[: len(x)]
    truth = np.asarray(heldout[1])
    sets = {"tstr": (made, labels), "trtr": (x, np.asarray(train[1]))}
    return {name: _accuracy(part, kinds, unseen, truth, seed) for name, (part, kinds) in sets.items()}


def predictive(real_train: Floats, real_heldout: Floats, synthetic: Floats, seed: int = 0) -> dict[str, float]:
    """Mean absolute error of the next step of held-out series, over the channels' deviations, by what was learnt from.

    ``tstr`` learnt from ``synthetic`` series [N, T, C] or [N, T], ``trtr`` from real ones: 100 extremely random trees
    on the last 8 steps of all channels, or as many as there are.
    """
    from sklearn.ensemble import ExtraTreesRegressor

    train, test, made = _alike(real_train, real_heldout, synthetic)
    if train.shape[1] < 2:
        raise UserError("series of one step have no next one")
    scale = np.nanstd(train, axis=(0, 1))
    scale = np.where(scale > 0, scale, 1.0)
    rng, found = np.random.default_rng(seed), dict[str, float]()
    unseen, truth = _windows(test / scale, rng)
    for name, part in (("tstr", made), ("trtr", train)):
        x, y = _windows(part / scale, rng)
        model = ExtraTreesRegressor(100, min_samples_leaf=3, n_jobs=1, random_state=seed).fit(x, y.squeeze())
        found[name] = float(np.abs(model.predict(unseen).reshape(truth.shape) - truth).mean())
    return found


def features(series: Floats) -> Floats:
    """Series [N, T, C] as [N, F]: values and steps, which of them are missing, and sums of each channel.

    Those are its mean, deviation, lowest and highest value, the mean and deviation of its steps and of their changes,
    and autocorrelations at lags 1, 2 and 4.
    """
    steps = np.diff(series, axis=1)
    parts = [series, steps, np.isnan(series).astype(float) if np.isnan(series).any() else series[:, :0]]
    flat = [part.reshape(len(series), -1) for part in parts]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        sums = [function(series, axis=1) for function in (np.nanmean, np.nanstd, np.nanmin, np.nanmax)]
        for part in (steps, np.diff(steps, axis=1)):
            sums += [np.nanmean(np.abs(part), axis=1), np.nanstd(part, axis=1)]
        apart = series - sums[0][:, None]
        power = np.nanmean(apart**2, axis=1) + 1e-12
        lags = [lag for lag in (1, 2, 4) if lag < series.shape[1]]
        sums += [np.nanmean(apart[:, lag:] * apart[:, :-lag], axis=1) / power for lag in lags]
    # Not so fine that trees would tell how numbers were rounded, such as deviations that are all 1.
    return np.asarray(np.round(np.nan_to_num(np.concatenate([*flat, *sums], axis=1)), DIGITS))


def _alike(*sets: Floats) -> list[Floats]:
    """Sets of series [N, T, C] with one T, the shorter ones filled up with NaN. Raises UserError for other channels."""
    whole = [np.asarray(one, dtype=np.float64) for one in sets]
    whole = [one[:, :, None] if one.ndim == 2 else one for one in whole]
    if len({one.shape[2] for one in whole}) > 1:
        raise UserError(f"the series have {', '.join(str(one.shape[2]) for one in whole)} channels; give the same")
    span = max(one.shape[1] for one in whole)
    return [np.pad(one, ((0, 0), (0, span - one.shape[1]), (0, 0)), constant_values=np.nan) for one in whole]


def _chances(x: Floats, y: NDArray[Any], unseen: Floats, seed: int) -> Floats:
    """The chance [M, K] of each class of ``y``, as 300 extremely random trees have it (Geurts et al., 2006)."""
    from sklearn.ensemble import ExtraTreesClassifier

    chances: Floats = ExtraTreesClassifier(TREES, n_jobs=1, random_state=seed).fit(x, y).predict_proba(unseen)
    return chances


def _accuracy(x: Floats, y: NDArray[Any], unseen: Floats, truth: NDArray[Any], seed: int) -> float:
    kinds = np.unique(y)
    if len(kinds) < 2:
        return float((truth == kinds[0]).mean())
    return float((kinds[_chances(features(x), y, features(unseen), seed).argmax(1)] == truth).mean())


def _windows(series: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Windows [W, F] of what is known of series [N, T, C], and the steps that follow [W, C], 5,000 at most."""
    width = min(WINDOW, series.shape[1] - 1)
    views = np.lib.stride_tricks.sliding_window_view(series, width + 1, axis=1)
    whole = views.transpose(0, 1, 3, 2).reshape(-1, width + 1, series.shape[2])
    whole = whole[~np.isnan(whole).any((1, 2))]
    if not len(whole):
        raise UserError("no series has enough steps in a row without gaps to foretell the next")
    whole = whole[rng.permutation(len(whole))[:WINDOWS]]
    return whole[:, :-1].reshape(len(whole), -1), whole[:, -1]
