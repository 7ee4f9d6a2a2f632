"""Real rows, and as many generated ones after them, against real rows alone: 200 Pima women, judged on 332 others.

Over seeds, with the mean's confidence interval at 95 % by Student's t.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t

from belamy import TableGAN
from common import CACHE, Record, command, parsed, parser, record, say
from tabular import peers

KINDS = ("logistic regression", "random forest")


def scores(train: pd.DataFrame, test: pd.DataFrame, target: str, seed: int) -> dict[str, float]:
    """The area under the curve of each kind of model on ``test``."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    models: tuple[Any, ...] = (
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        RandomForestClassifier(500, random_state=seed, n_jobs=1),
    )
    x, y = (train.drop(columns=target), train[target] == "Yes")
    held, truth = (test.drop(columns=target), test[target] == "Yes")
    fitted = (model.fit(x, y) for model in models)
    return {kind: float(roc_auc_score(truth, model.predict_proba(held)[:, 1]))
            for kind, model in zip(KINDS, fitted, strict=True)}  # fmt: skip


def measure(seeds: int) -> Record:
    folder = CACHE / "tabular" / "pima"
    folder.mkdir(parents=True, exist_ok=True)
    target = peers("data", "pima", str(folder))["target"]
    train, test = (pd.read_parquet(folder / f"{side}.parquet") for side in ("train", "test"))
    alone: list[dict[str, float]] = []
    grown: list[dict[str, float]] = []
    seconds = 0.0
    for seed in range(seeds):
        began = time.process_time()
        more = TableGAN(random_state=seed).fit(train).sample(len(train))
        seconds += time.process_time() - began
        alone.append(scores(train, test, target, seed))
        grown.append(scores(pd.concat([train, more], ignore_index=True), test, target, seed))
        say(f"seed {seed}: alone {alone[-1]}, with generated rows {grown[-1]}")
    found: Record = {"seeds": seeds, "cpu_seconds": round(seconds / seeds, 1)}
    for kind in KINDS:
        gains = [after[kind] - before[kind] for before, after in zip(alone, grown, strict=True)]
        half = t.ppf(0.975, seeds - 1) * statistics.stdev(gains) / seeds**0.5
        found[kind] = {"alone": float(np.mean([one[kind] for one in alone])), "gain": statistics.mean(gains),
                       "low": statistics.mean(gains) - half, "high": statistics.mean(gains) + half}  # fmt: skip
    return found


def main() -> None:
    options = parser(__doc__, threads=1)
    options.add_argument("--seeds", type=int, default=20)
    arguments = parsed(options)
    record("small-medical", 0, measure(arguments.seeds), command(), variant="pima")


if __name__ == "__main__":
    main()
