"""`belamy launch` with one of its processes killed again and again: what is lost, and whether the end is the same.

Two runs of the digits on two processes with one thread each: one is left alone; in the other a random process dies by
`kill -9` at a random moment after the first step of each relaunch, however often was asked for.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import torch

from belamy.run import Run
from common import ROOT, command, parsed, parser, record, say

BELAMY = ROOT / ".venv" / "bin" / "belamy"


def launched(out: Path, seed: int, examples: int) -> subprocess.Popen[bytes]:
    words = ["train", "digits", "--out", out, "--seed", seed, "--examples", examples, "--report-to", "none"]
    words += ["--set", "game.widths=[16,16]", "--set", "judging.metric=none", "--set", "checkpoints.every=320"]
    return subprocess.Popen(
        [str(BELAMY), "launch", "--nproc", "2", "--restarts", "1000", "--", *map(str, words)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def workers(launcher: int) -> list[int]:
    """The processes that train: those that the launcher has started."""
    found = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    return [int(one) for one in found if b"belamy.cli.main" in Path(f"/proc/{one}/cmdline").read_bytes()]


def steps(run: Path) -> int:
    return len(Run(run).events()) if (run / "log.jsonl").is_file() else 0


def killed(process: subprocess.Popen[bytes], run: Path, kills: int, chance: random.Random) -> int:
    """How many processes died before the run had ended."""
    for number in range(kills):
        before = steps(run)
        while steps(run) <= before + 1 and process.poll() is None:
            time.sleep(0.02)
        time.sleep(chance.uniform(0, 1))
        own = workers(process.pid) if process.poll() is None else []
        if not own:
            return number
        os.kill(chance.choice(own), signal.SIGKILL)
        say(f"kill {number + 1} at {Run(run).events()[-1]['examples']} examples")
    return kills


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--examples", type=int, default=40_000)
    arguments = parsed(options)
    with tempfile.TemporaryDirectory() as folder:
        ends = []
        done = 0
        for name, kills in (("whole", 0), ("torn", arguments.kills)):
            run = Path(folder) / name
            process = launched(run, arguments.seed, arguments.examples)
            done = killed(process, run, kills, random.Random(arguments.seed))
            if process.wait():
                raise SystemExit(f"the run ended with exit {process.returncode}")
            ends.append(Run.open(run).read(Run.open(run).saved()[-1])[0])
        equal = all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())
    figure = {"kills": done, "equal": equal, "examples": arguments.examples}
    record("relaunch", arguments.seed, figure, command(), variant=f"{arguments.kills} kills")


if __name__ == "__main__":
    main()
