"""Whether a model that is fitted on synthetic rows predicts real ones: train on synthetic, test on real."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from belamy.errors import UserError, nearest
from belamy.metrics.cells import KINDS, Cells, Codes, Floats, cells, counted, matrix, present

if TYPE_CHECKING:
    import pandas as pd

TREES = 500
"""Trees of gradient boosting, about, at most: a round plants one for each class, which with many takes minutes."""


def usefulness(
    train: pd.DataFrame, test: pd.DataFrame, target: str, kinds: Mapping[str, str], seed: int = 0
) -> dict[str, float]:
    """How well ``target`` of ``test`` is predicted from ``train``, by the mean of three models (Esteban et al., 2017).

    They are gradient boosting, a random forest, and a logistic or ridge regression, on the other columns of
    ``kinds``; rows without the target are left out. A category or boolean gives ``auc`` and ``f1`` in [0, 1], of the
    rarer class in ``test`` if it has two, else the means over its classes, one against the rest; a ``train`` of one
    class has auc .5 and f1 0. A number or date (in days) gives ``r2``, at most 1, and ``mae`` in its own unit; a
    ``train`` without any counts as the mean of ``test``.

    Raises:
        UserError: a target that is not there, is of no kind, stands alone, or is the same in all rows of ``test``.
    """
    _check(train, target, kinds)
    judged, learnt = cells([test, train], kinds)  # the test first: the order of its classes owes nothing to train
    learnt, judged = (_rows(part, present(part[target])) for part in (learnt, judged))
    y, truth = learnt.pop(target), judged.pop(target)
    if len(np.unique(truth)) < 2:
        raise UserError(f"all rows of the test table have the same {target!r}, or none; hold out more rows")
    if not counted(truth) and len(np.unique(y)) < 2:
        return {"auc": 0.5, "f1": 0.0}
    if not len(y):
        return _errors(truth, [np.full(len(truth), truth.mean())])
    x, unseen = _features(learnt, judged)
    return (_regressed if counted(truth) else _classified)(x, y, unseen, truth, seed)


def _check(train: pd.DataFrame, target: str, kinds: Mapping[str, str]) -> None:
    known = [str(name) for name in train.columns]
    if target not in train.columns:
        raise UserError(f"the target {target!r} is no column of the table{nearest(str(target), known)}")
    if kinds.get(target) not in KINDS:
        raise UserError(f"the target {target!r} should be a {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    if len(kinds) < 2:
        raise UserError(f"there is no column to predict {target!r} from")


def _rows(table: Cells, chosen: NDArray[np.bool_]) -> Cells:
    return {name: values[chosen] for name, values in table.items()}


def _features(train: Cells, test: Cells) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both tables [rows, features] after one fit on ``train``: numbers scaled, categories as 0 and 1.

    A missing number is the median, beside a flag; a missing category is one more. Those in less than 1 % of the
    rows are one together, and one that ``train`` has not is none.
    """
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    kinds = np.array([counted(values) for values in train.values()])
    imputed = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    coded = OneHotEncoder(min_frequency=0.01, handle_unknown="ignore", sparse_output=False)
    both = make_column_transformer(
        (make_pipeline(imputed, StandardScaler()), np.flatnonzero(kinds)),
        (coded, np.flatnonzero(~kinds)),
    )
    return both.fit_transform(matrix(train)).astype(np.float32), both.transform(matrix(test)).astype(np.float32)


def _classified(x: NDArray[Any], y: Codes, unseen: NDArray[Any], truth: Codes, seed: int) -> dict[str, float]:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score, roc_auc_score

    classes, counts = np.unique(truth, return_counts=True)
    judged = classes if len(classes) > 2 else classes[[counts.argmin()]]
    rounds = max(10, min(100, TREES // len(classes)))
    models = [
        HistGradientBoostingClassifier(max_iter=rounds, early_stopping=False, random_state=seed),
        LogisticRegression(max_iter=200),
        RandomForestClassifier(min_samples_leaf=3, n_jobs=1, random_state=seed),  # 3: half the time, and no worse
    ]
    areas, f1 = [], []
    for model in models:
        _fit(model, x, y)
        chances = dict(zip(model.classes_, model.predict_proba(unseen).T, strict=True))
        unknown = np.zeros(len(unseen))
        areas.append(np.mean([roc_auc_score(truth == one, chances.get(one, unknown)) for one in judged]))
        f1.append(f1_score(truth, model.predict(unseen), labels=judged, average="macro", zero_division=0))
    return {"auc": float(np.mean(areas)), "f1": float(np.mean(f1))}


def _regressed(x: NDArray[Any], y: Floats, unseen: NDArray[Any], truth: Floats, seed: int) -> dict[str, float]:
    from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
    from sklearn.linear_model import Ridge

    models = [
        HistGradientBoostingRegressor(early_stopping=False, random_state=seed),
        Ridge(),
        RandomForestRegressor(min_samples_leaf=3, max_features=1 / 3, n_jobs=1, random_state=seed),  # Breiman's third
    ]
    return _errors(truth, [_fit(model, x, y).predict(unseen) for model in models])


def _errors(truth: Floats, predictions: list[Floats]) -> dict[str, float]:
    errors = np.stack(predictions) - truth
    return {"r2": float(1 - np.mean(errors**2) / truth.var()), "mae": float(np.abs(errors).mean())}


def _fit(model: Any, x: NDArray[Any], y: NDArray[Any]) -> Any:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # classes that can be told exactly never converge; and what is compared stops equally early
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(x, y)
