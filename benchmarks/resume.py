"""Resume: a training is killed at random moments, again and again, and must end as if nothing had happened.

The steps are small and each is saved, so that many kills fall into a save. After each kill, every
checkpoint that is listed must be readable and belong wholly to one step, and none that was listed before may be gone
unless a newer one is there. Each finished run is compared, bit for bit, with one that was never disturbed.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from belamy.errors import UserError
from belamy.run import Run
from belamy.storage import digest_of, read_tensors
from common import Record, command, parsed, parser, record, say

BATCH = 8
BELAMY = str(Path(sys.executable).with_name("belamy"))


class Victim:
    """A run in ``folder`` of so many ``examples``, played by processes that may be killed."""

    def __init__(self, folder: Path, examples: int, seed: int, threads: int) -> None:
        self.run, self._errors = Run(folder), folder.with_suffix(".err")
        settings = ("game.widths=[32,32]", "judging.metric=none", f"checkpoints.every={BATCH}")
        self._begin = ["digits", "--out", str(folder), "--examples", str(examples), "--seed", str(seed)]
        self._begin += ["--batch", str(BATCH), *(word for one in settings for word in ("--set", one))]
        self._environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        self.newest, self.sittings = "", 0

    def start(self) -> subprocess.Popen[bytes]:
        """A process that begins the run, or goes on with it; returns when it plays, or has ended."""
        words = ["--resume", str(self.run.path)] if self.sittings else self._begin
        with self._errors.open("wb") as errors:
            process = subprocess.Popen(
                [BELAMY, "train", *words, "--device", "cpu", "--report-to", "none"], env=self._environment,
                stdout=subprocess.DEVNULL, stderr=errors,
            )  # fmt: skip
        while process.poll() is None and len(self._openings()) <= self.sittings:
            time.sleep(0.01)
        self.sittings += 1
        return process

    def watch(self, process: subprocess.Popen[bytes], seconds: float) -> bool:
        """Notes what is listed until so many seconds are over; true where the process came to its end before."""
        until = time.perf_counter() + seconds
        while time.perf_counter() < until and process.poll() is None:
            self.newest = max([self.newest, *(path.name for path in self.run.saved())])
            time.sleep(0.002)
        if process.poll() not in (None, 0):
            raise RuntimeError(f"exit {process.returncode}: {self._errors.read_text()[-2000:]}")
        return process.poll() is not None

    def resumed_at(self) -> str:
        """The checkpoint that the last sitting began from."""
        return f"{self._openings()[-1]['examples']:012d}"

    def inspect(self) -> Counter[str]:
        """What is wrong with the folder now."""
        found: Counter[str] = Counter()
        saved = self.run.saved()
        for path in saved:
            try:
                tensors, state = self.run.read(path)
            except UserError as error:
                found["unreadable"] += 1
                found["unreadable_newest"] += path == saved[-1]
                say(error)
                continue
            found["mixed"] += digest_of(tensors) != state["hash"] or int(path.name) != state["clock"]["examples"]
        found["lost"] += bool(self.newest) and (not saved or saved[-1].name < self.newest)
        return found

    def litter(self) -> int:
        """Hidden folders that killed saves have left."""
        return len(list(self.run.checkpoints.glob(".*")))

    def ending(self) -> dict[str, torch.Tensor]:
        """All tensors at the end: of the last checkpoint, and of the model that ships."""
        model = read_tensors(self.run.model / "model.safetensors")
        return {**self.run.read(self.run.saved()[-1])[0], **{f"model.{name}": value for name, value in model.items()}}

    def _openings(self) -> list[dict[str, Any]]:
        return [event for event in self.run.events() if event["event"] in ("start", "resume")]


def equal(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    """Bit for bit: NaN equals itself here, and 0 differs from -0."""
    return ours.keys() == theirs.keys() and all(
        value.dtype == theirs[name].dtype and value.shape == theirs[name].shape
        and value.reshape(-1).view(torch.uint8).equal(theirs[name].reshape(-1).view(torch.uint8))
        for name, value in ours.items()
    )  # fmt: skip


def measure(kills: int, examples: int, seed: int, threads: int, folder: Path) -> Record:
    whole = Victim(folder / "whole", examples, seed, threads)
    process = whole.start()
    began = time.perf_counter()
    whole.watch(process, 3600)
    lasted = time.perf_counter() - began
    share = sum(event.get("share", {}).get("checkpoints", 0) for event in whole.run.events())
    share /= sum(event["event"] == "step" for event in whole.run.events())
    say(f"undisturbed: {lasted:.1f} s, {share:.0%} of them in saving")

    rng, done, ends, found = random.Random(seed), 0, list[bool](), Counter[str]()
    victim, litter = Victim(folder / "run-0", examples, seed, threads), 0
    while True:
        process, before = victim.start(), victim.newest
        found["lost"] += bool(before) and victim.resumed_at() < before
        # so that the kills are spread over most of the run
        ended = victim.watch(process, rng.uniform(0, 1.6 * lasted / kills) if done < kills else 3600)
        if ended:
            ends.append(equal(victim.ending(), whole.ending()))
            if done >= kills:
                break
            victim = Victim(folder / f"run-{len(ends)}", examples, seed, threads)
            continue
        process.kill()
        process.wait()
        done += 1
        wrong, litter = victim.inspect(), max(litter, victim.litter())
        found += wrong
        say(f"kill {done} at {victim.newest}: {dict(+wrong) or 'whole'}, {victim.litter()} unfinished folders")
    return {
        "kills": done, "examples": examples, "saves": examples // BATCH,
        "share_of_time_in_saving": round(share, 3),
        **{what: found[what] for what in ("unreadable", "unreadable_newest", "mixed", "lost")},
        "runs_compared": len(ends), "equal": all(ends), "most_unfinished_folders": litter,
    }  # fmt: skip


def main() -> None:
    options = parser(__doc__, threads=1)
    options.add_argument("--kills", type=int, default=50)
    options.add_argument("--examples", type=int, help="length of the run; 60 steps for each kill by default")
    arguments = parsed(options)
    examples = (arguments.examples or 60 * BATCH * arguments.kills) // BATCH * BATCH
    with tempfile.TemporaryDirectory(prefix="belamy-resume-") as folder:
        figure = measure(arguments.kills, examples, arguments.seed, arguments.threads, Path(folder))
    record("resume", arguments.seed, figure, command(), variant=f"{arguments.kills} kills")


if __name__ == "__main__":
    main()
