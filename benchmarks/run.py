"""`make bench`: measures what is missing in benchmarks/results, and writes benchmarks/RESULTS.md from all there is.

About ten hours on two cores, which should have nothing else to do; stopped and called again, it goes on.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

import applied
import tabular
import text2image
import translation
from belamy.hardware import choose_precision
from common import ROOT, records, say
from stability import studies
from tables import write

HERE = Path(__file__).parent
FAMILY = (
    ("fashion", "stylegan"), ("fashion", "progressive"), ("fashion", "cgan"), ("openmoji", "dcgan"),
    ("openmoji", "stylegan"), ("few", "fastgan"),
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One measurement: the record that it leaves, the words that ask for it, and its minutes on two cores."""

    name: str
    variant: str
    seed: int
    words: str
    minutes: int

    @property
    def missing(self) -> bool:
        return not any((one["variant"], one["seed"]) == (self.variant, self.seed) for one in records(self.name))


def jobs() -> list[Job]:
    """All that RESULTS.md shows; where bf16 is slow, the digits are played in fp32 alone."""
    auto = choose_precision("auto", torch.device("cpu"))
    found = [Job("digits", auto, seed, f"digits.py --seed {seed}", 3) for seed in range(3)]
    found += [Job("digits", "fp32", seed, f"throughput.py --quality --seed {seed}", 6) for seed in range(2)]
    found += [Job("resume", "50 kills", 0, "resume.py --kills 50", 8)]
    found.append(Job("relaunch", "20 kills", 0, "relaunch.py --kills 20 --examples 16000", 6))
    for size, minutes in (("32x1", 4), ("64x3", 12)):
        found.append(Job("throughput", size, 0, f"throughput.py --size {size}", minutes))
    for recipe in ("stylegan", "r3gan"):
        found.append(Job("exported", f"{recipe}-64x3", 0, f"exported.py --recipe {recipe}", 2))
    for what, minutes in (("processes", 6), ("files", 8), ("rows", 1), ("start", 2), ("table", 20)):
        found.append(Job("scale", what, 0, f"scale.py --what {what}", minutes))
    for data in ("fashion", "openmoji"):
        for player in ("ours", "dcgan"):
            found.append(Job("images", f"{data}-{player}", 0, f"images.py --data {data} --player {player}", 20))
    for data, recipe in FAMILY:
        words = f"images.py --data {data} --recipe {recipe} --minutes 6"
        found.append(Job("family", f"{data}-{recipe}", 0, words, 7))
    for recipe, seeds, minutes in (("grid25", 10, 5), ("ring8", 10, 5), ("stacked-mnist", 2, 60)):
        found += [Job("modes", recipe, seed, f"modes.py --recipe {recipe} --seed {seed}", minutes)
                  for seed in range(seeds)]  # fmt: skip
    for trial in studies():
        words = shlex.join(["stability.py", "--study", trial.study, "--trial", trial.name])
        found.append(Job(trial.study, trial.name, 0, words, 5))
        if trial.study == "gamma" and trial.name.endswith("gamma x 1, rate x 1"):
            found.append(Job(trial.study, trial.name, 1, f"{words} --seed 1", 5))
    found += [Job("translation", name, 0, f"translation.py --trial {name}", 12) for name in translation.TRIALS]
    found += [Job("applied", name, 0, f"applied.py --trial {name}", 3) for name in applied.TASKS]
    found += [Job("text2image", name, 0, f"text2image.py --trial {name}", 20) for name in text2image.TRIALS]
    for data in tabular.DATA:
        ours = f"tabular.py --data {data} --seed"
        found += [Job("tabular", f"{data}-ours", seed, f"{ours} {seed}", 3) for seed in range(3)]
        found += [Job("tabular", f"{data}-{player}", 0, f"tabular.py --data {data} --player {player}", 10)
                  for player in tabular.PLAYERS[1:]]  # fmt: skip
    return list({(job.name, job.variant, job.seed): job for job in reversed(found)}.values())[::-1]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--missing", action="store_true", help="only what is missing: so it is without --again, too")
    options.add_argument("--again", action="store_true", help="measure all that --only names, missing or not")
    options.add_argument("--only", nargs="*", metavar="NAME", help="benchmarks: digits, images, modes, ...")
    options.add_argument("--tables", action="store_true", help="measure nothing: write RESULTS.md")
    arguments = options.parse_args()
    wanted = [job for job in jobs() if not arguments.only or job.name in arguments.only]
    if not arguments.again:
        wanted = [job for job in wanted if job.missing]
    failed = []
    for number, job in enumerate([] if arguments.tables else wanted):
        left = sum(one.minutes for one in wanted[number:])
        say(f"{job.words}: about {job.minutes} minutes; all that is left: about {left}")
        script, *words = shlex.split(job.words)
        if subprocess.run([sys.executable, str(HERE / script), *words], cwd=ROOT, check=False).returncode:
            failed.append(job.words)
        write()
    write()
    if failed:
        sys.exit("these failed: " + "; ".join(failed))


if __name__ == "__main__":
    main()
