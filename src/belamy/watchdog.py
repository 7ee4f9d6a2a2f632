"""Watches a run for the ills of adversarial training, says in plain words what it sees, and names a remedy.

Some ills show in numbers long before they show in a finished model. A generator that *collapses* makes samples that
are alike, or covers less of the real ones than it did. A discriminator that *overfits* takes held-out samples for
false, since it knows the training's by heart. One that is too *steep* sends gradients that throw the generator about;
a game that *diverges* has left what can be learnt. Of a game that answers pictures only the generator's gradient is
watched, which aims at true answers as well, and so keeps its size unless its networks explode.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from belamy.engine import Engine
from belamy.game import Batch
from belamy.judge import generator
from belamy.metrics.prdc import prdc
from belamy.model import Model
from belamy.prompted import painted
from belamy.source import Source

ALIKE = 0.3
"""Samples nearer to each other than this share of the distance between real ones have collapsed."""
SETTLED = 300
"""Steps after which samples must differ: generators begin with one and the same."""
BEGUN = 100
"""Steps after which a generator that answers moves as much as it will; many begin by adding nothing."""
LOST = 0.5
"""So has a generator that covers less than this share of what it covered at its best, at so many LOOKS in a row."""
LOOKS = 2
WORTH_KEEPING = 0.1
"""Coverage from which on a generator has something to lose."""
OVERFITTED = 0.25
"""Of the way from training samples to generated ones, in logits: half of what Karras et al. (2020, ADA) aim at, since
it is what is left after two standard errors. Runs with pictures enough end below .15."""
DIVERGED = 1e4
"""A norm that no discriminator has that learns."""
STEEP = 20.0
"""How much a gradient's norm may grow over the least that was seen at a look."""
PATIENCE = 4
TRUSTED = 2
"""Returns without success after which the best checkpoint is not trusted any more."""
NEIGHBOURS = 5
SIDE = 16


@dataclass(frozen=True)
class Signs:
    """A run at a look; what cannot be known is nan, and nothing follows from it.

    ``coverage`` of real samples by generated ones, 0 to 1. ``spread``: the mean distance between generated samples
    of a class, over that between real ones. ``overfitting``: 0 where the discriminator takes held-out samples for as
    real as the training's, 1 where for as false as generated ones, less twice its standard error. ``norm`` of the
    watched player's gradient, its geometric mean since the last look.
    """

    coverage: float = math.nan
    spread: float = math.nan
    overfitting: float = math.nan
    norm: float = math.nan


@dataclass(frozen=True)
class Finding:
    """``words`` for the user, and a ``remedy``.

    It is "augmentation" or "penalties" (more of them), "slower" (from the best checkpoint with lower rates), "return"
    (the same with heavier penalties), or "stop".
    """

    words: str
    remedy: str


@dataclass
class Watchdog:
    """What is remembered from look to look: plain numbers, which a checkpoint keeps.

    The ``player`` whose gradients are watched. Whether samples are or should be ``varied``; how much they ``covered``
    at best, and at how many looks since they ``lost`` it; the ``calm``est norm at a look, and at how many looks
    in a row it has been ``steep``; the ``peak`` of coverage over all beginnings, and how many ``returns`` did not lead
    above it; since the last look ``logarithm``, the sum of those of ``steps`` norms.
    """

    player: str = "discriminator"
    varied: bool = False
    covered: float = 0.0
    lost: int = 0
    calm: float | None = None
    steep: int = 0
    peak: float = 0.0
    returns: int = 0
    logarithm: float = 0.0
    steps: int = 0

    def forget(self) -> None:
        """Leaves out what this look would be measured by: the game was another one then."""
        self.covered, self.lost, self.calm, self.steep = 0.0, 0, None, 0

    def hear(self, norms: Mapping[str, float]) -> None:
        """Takes the gradient norms of a step."""
        norm = norms.get(self.player, 0.0)
        if 0 < norm < math.inf:
            self.logarithm, self.steps = self.logarithm + math.log(norm), self.steps + 1

    def norm(self) -> float:
        """The geometric mean of the norms since it was asked last."""
        mean = math.exp(self.logarithm / self.steps) if self.steps else math.nan
        self.logarithm, self.steps = 0.0, 0
        return mean

    @property
    def worthy(self) -> bool:
        """Whether the best checkpoint is worth a return."""
        return self.returns <= TRUSTED and (self.covered >= WORTH_KEEPING or self.player == "generator")

    def begin_again(self) -> Watchdog:
        """What is remembered when all else begins again."""
        return Watchdog(self.player, peak=self.peak, returns=self.returns)

    def look(self, signs: Signs, steps: int) -> Finding | None:
        """What is wrong after so many steps, the worst first; None where nothing is."""
        low = self.covered >= WORTH_KEEPING and signs.coverage < LOST * self.covered
        self.lost = self.lost + 1 if low and steps >= SETTLED else 0
        self.varied = self.varied or steps >= SETTLED or signs.spread >= 2 * ALIKE
        finding = self._divergence(signs) or self._collapse(signs) or self._steepness(signs) or self._overfitting(signs)
        if finding is not None and finding.remedy in ("return", "slower"):
            self.returns += 1
            if self.returns > PATIENCE:
                finding = Finding(f"{finding.words}; {PATIENCE} returns did not help", "stop")
        if signs.coverage > self.covered:
            self.covered = signs.coverage
        if signs.coverage > self.peak:
            self.peak, self.returns = signs.coverage, 0
        begun = self.player == "discriminator" or steps >= BEGUN
        if begun and (self.calm is None or signs.norm < self.calm):
            self.calm = None if math.isnan(signs.norm) else signs.norm
        return finding

    def _divergence(self, signs: Signs) -> Finding | None:
        if self.player == "generator" or not signs.norm > DIVERGED:
            return None
        return Finding(f"divergence: the discriminator's gradient is {signs.norm:.3g}", "slower")

    def _collapse(self, signs: Signs) -> Finding | None:
        if self.varied and signs.spread < ALIKE:
            words = f"samples are alike, {signs.spread:.2f} as far apart as real ones"
        elif self.lost >= LOOKS:
            words = f"samples cover {signs.coverage:.2f} of real ones, {self.covered:.2f} at best"
        else:
            return None
        self.lost = 0
        return Finding(f"collapse: {words}", "return")

    def _steepness(self, signs: Signs) -> Finding | None:
        steep = self.calm is not None and signs.norm > STEEP * self.calm
        self.steep = self.steep + 1 if steep else 0
        if not steep:
            return None
        ill = "the generator explodes" if self.player == "generator" else "the discriminator is too steep"
        words = f"{ill}: its gradient is {signs.norm:.3g}, {self.calm:.3g} at its calmest"
        heavier = self.player == "discriminator" and self.steep == 1
        return Finding(words, "penalties" if heavier else "slower")

    def _overfitting(self, signs: Signs) -> Finding | None:
        if not signs.overfitting > OVERFITTED:
            return None
        words = f"the discriminator overfits: held-out samples look {signs.overfitting:.0%} as false as generated ones"
        return Finding(words, "augmentation")


class Probe:
    """The same ``n`` training and held-out samples at every look, or as many as there are.

    Coverage is that of held-out samples, and where they are few of training samples as well.
    """

    def __init__(self, source: Source, n: int, pack: int) -> None:
        heldout = source.heldout()
        self.n, self.train = n // pack * pack, source.take(min(n, len(source)) // pack * pack)
        self.heldout = heldout.take(min(n, len(heldout)) // pack * pack) if heldout and len(heldout) >= pack else None

    def signs(self, engine: Engine, model: Model, norm: float) -> Signs:
        """What the averaged generator and the discriminator of the moment show."""
        made = self._made(model)
        name = engine.game.sample_key
        parts = [self.train] if self.heldout is None else [self.heldout, self.train]
        *_, train = played = [engine.game.as_played(batch) for batch in parts]
        real = torch.cat([_flat(batch[name]) for batch in played])[: self.n]
        coverage = math.nan
        if min(len(real), len(made[name])) > NEIGHBOURS:
            coverage = prdc(real, _flat(made[name]), NEIGHBOURS)["coverage"]
        spread = _apart(made, name) / max(_apart(train, name), 1e-12)
        return Signs(coverage, spread, self._overfitting(engine, made), norm)

    def _made(self, model: Model) -> Batch:
        """Samples; of captions, where there are any, those that are held out."""
        told = self.heldout or self.train
        if "text" not in told:
            return generator(model, seed=2)(0, self.n)
        return {"image": painted(model, told["text"], seed=2), "text": told["text"]}

    def _overfitting(self, engine: Engine, made: Batch) -> float:
        if self.heldout is None:
            return math.nan
        train, heldout, fake = (engine.realness(batch) for batch in (self.train, self.heldout, made))
        if train is None or heldout is None or fake is None or min(len(train), len(heldout)) < 2:
            return math.nan
        error = (train.var() / len(train) + heldout.var() / len(heldout)).sqrt()
        way, whole = train.mean() - heldout.mean() - 2 * error, train.mean() - fake.mean()
        return float(way / whole) if whole > 0 else math.nan


def _flat(samples: Tensor) -> Tensor:
    """Rows [N, D]: pictures averaged down to at most SIDE by SIDE."""
    if samples.dim() == 4:
        height, width = samples.shape[-2:]
        samples = F.adaptive_avg_pool2d(samples.float(), (min(height, SIDE), min(width, SIDE)))
    return samples.flatten(1).float().nan_to_num()


def _apart(batch: Batch, name: str) -> float:
    """The mean distance between samples of one class."""
    rows = _flat(batch[name])
    kinds = batch["class"].cpu() if "class" in batch else torch.zeros(len(rows))
    pairs = (kinds[:, None] == kinds) & ~torch.eye(len(rows), dtype=torch.bool)
    return torch.cdist(rows, rows)[pairs].mean().item() if pairs.any() else math.nan
