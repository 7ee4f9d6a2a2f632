"""What most games are: a generator against a discriminator, with a loss and regularisers that a recipe chooses."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from belamy.chance import Chance
from belamy.errors import UserError, nearest
from belamy.game import Batch, Game, Score, Turn
from belamy.networks.augmentation import Augmentation
from belamy.networks.batch import Deviation
from belamy.networks.spectral import SpectralNorm
from belamy.networks.strictness import Strictness
from belamy.ops.adversarial import LOSSES
from belamy.ops.normalisation import gradient_normalised
from belamy.ops.packing import packed, unpacked
from belamy.ops.penalties import PENALTIES, Trial
from belamy.ops.piecewise import penalised
from belamy.ops.schedule import cosine
from belamy.ops.values import Share, Weight, Whole

AUGMENT_MORE, AUGMENT_MOST, STRICTER = 0.2, 0.8, 3.0
SINGLE = ("wgan-gp", "dragan")
"""Penalties that ask for a slope of each sample, so that their papers take batch norm out of the discriminator."""
NORMALISATIONS = ("spectral", "gradient")


class Duel(Game):
    """A subclass builds ``generator`` and ``discriminator``, and says how to ``imagine``, ``judge`` and ``sample``.

    ``classes`` says how many kinds are told apart. A game that ``packs`` gives its discriminator ``pack`` times the
    channels. ``unmixed`` ends a sentence: what else there is than a discriminator with batch norm.

    ``loss`` is one of ``belamy.ops.adversarial.LOSSES``; ``penalties`` are weights by name, of
    ``belamy.ops.penalties.PENALTIES``, and fall to a tenth over ``burn_in`` examples (None: they stay); ``correct`` is
    the ``over`` of ``belamy.networks.strictness``, by which they follow the discriminator. ``augment`` and
    ``augment_over`` are those of ``belamy.networks.augmentation``, ``shift``, ``cut``, ``colour``, ``scale``, ``turn``
    and ``flip`` those of ``belamy.ops.augment``: pictures are augmented on their way to ``judge`` and nowhere else.
    ``pack`` samples are judged as one (PacGAN, Lin et al., 2018). ``normalise`` divides the discriminator's weights by
    their "spectral" norms (Miyato et al., 2018), or its logits by their "gradient" (Wu et al., 2021). Over the first
    ``warmup`` examples the generator is alone, and learns by its ``aims``. A game whose discriminator is ``piecewise``
    linear, as ``belamy.ops.piecewise`` knows it, has R1 and R2 without a double backward. Of the other terms that its
    discriminator is to ``assess``, a share ``steer`` steers the generator.
    """

    classes = 0
    packs = False
    unmixed = ""
    piecewise = False
    steer = 1.0
    anchors: Tensor | None

    def __init__(
        self, latent: Whole = 0, loss: str = "non-saturating", penalties: Mapping[str, Weight] | None = None,
        burn_in: Whole | None = None, augment: float | str = 0.0, augment_over: Whole | None = None,
        shift: Share = 0.125, cut: Share = 0.5, colour: Weight = 0.5, scale: Weight = 0.0, turn: Weight = 0.0,
        flip: bool = False, pack: int = 1, normalise: str | None = None, correct: int | None = None, warmup: Whole = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        _among(loss, LOSSES)
        for name in penalties or {}:
            _among(name, PENALTIES)
        if normalise is not None:
            _among(normalise, NORMALISATIONS)
        if pack < 1:
            raise ValueError(f"pack {pack} should be 1 or more")
        weights = {name: weight for name, weight in (penalties or {}).items() if weight}
        self.latent, self.loss, self.burn_in, self.pack, self.normalise = latent, LOSSES[loss], burn_in, pack, normalise
        self.penalties, self._weights = weights, weights
        self.strictness = Strictness(correct)
        self.warmup, self.alone = warmup, warmup > 0
        policy = {"shift": shift, "cut": cut, "colour": colour, "scale": scale, "turn": turn}
        self.augmentation = Augmentation(augment, augment_over, flip=flip, **policy)
        self.rowwise = self.rowwise and loss != "relativistic-average" and "dragan" not in weights
        self.register_buffer("anchors", torch.zeros(2) if "lecam" in weights else None)

    def prepare(self) -> None:
        name, discriminator = type(self).__name__, self.get_submodule("discriminator")
        altered = self.augmentation.end or any(penalty.startswith("consistency") for penalty in self._weights)
        if altered and self.sample_key != "image":
            raise UserError(f"{self.sample_key} cannot be altered as pictures are: leave augment and consistency out")
        if self.pack > 1 and not self.packs:
            raise UserError(f"{name} has no discriminator for packs: leave pack out")
        if self.pack > 1 and self.classes:
            raise UserError("a pack would hold several classes at once: leave pack out, or set game.classes to 0")
        layers = list(discriminator.modules())
        normed = any(isinstance(layer, _BatchNorm) for layer in layers)
        whole = f"{name}'s discriminator looks at whole batches, so no sample has a gradient of its own"
        if self.normalise == "gradient" and (normed or any(isinstance(layer, Deviation) for layer in layers)):
            raise UserError(f"{whole}: take normalise spectral")
        if normed and (single := [penalty for penalty in self._weights if penalty in SINGLE]):
            raise UserError(f"{whole}: take r1 in place of {single[0]}{self.unmixed}")
        if self.warmup and type(self).aims is Duel.aims:
            raise UserError(f"{name} aims at nothing but to look real, so its generator cannot learn alone: no warmup")
        if self.normalise == "spectral":
            self.spectrum = SpectralNorm(discriminator)

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        """New samples [B, ...], under the conditions of ``batch``."""
        raise TypeError(f"{type(self).__name__} must say how to imagine(batch, rng)")

    def judge(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> Tensor:
        """Logits [len(sets) * B], or [len(sets) * B, P] of patches, of several sets of samples [B, ...].

        Each set is judged under the conditions of ``batch``. By default there are none, and all sets go in one pass.
        """
        logits: Tensor = self.get_submodule("discriminator")(torch.cat(list(sets)))
        return logits

    def assess(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> tuple[Tensor, dict[str, Tensor]]:
        """What ``judge`` says, and other terms of the same pass, which both players minimise: here none."""
        return self.judge(sets, batch, rng), {}

    def aims(self, samples: Tensor, batch: Batch, rng: Chance) -> dict[str, Tensor]:
        """What the generator wants of its samples [B, ...] beside their looking real: here nothing."""
        return {}

    def forward(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> tuple[Tensor, dict[str, Tensor]]:
        """``assess``, as ``functional_call`` calls it."""
        return self.assess(sets, batch, rng)

    def verdict(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> tuple[Tensor, dict[str, Tensor]]:
        """What losses ask: to ``assess`` the ``sets`` as they are augmented, by a discriminator as it is normalised.

        Where ``pack`` is not 1, what is judged are packs, and ``rng`` has a row for each.
        """
        return self._normalised([self._augmented(samples, rng) for samples in sets], batch, rng)

    def _normalised(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> tuple[Tensor, dict[str, Tensor]]:
        if self.normalise == "gradient":
            return gradient_normalised(lambda sets: self.assess(sets, batch, rng), sets)
        if self.normalise == "spectral":
            weights = self.spectrum.normalised(self.get_submodule("discriminator"))
            named = {f"discriminator.{name}": weight for name, weight in weights.items()}
            found: tuple[Tensor, dict[str, Tensor]] = functional_call(self, named, (sets, batch, rng))
            return found
        return self.assess(sets, batch, rng)

    def _augmented(self, samples: Tensor, rng: Chance) -> Tensor:
        """Each sample of a pack by chance of its own."""
        if self.pack > 1:
            rng = rng.split(self.pack)
        return packed(self.augmentation(unpacked(samples, self.pack), rng), self.pack)

    def turns(self) -> list[Turn]:
        if self.alone:
            return [Turn("generator", self.aims_loss)]
        return [Turn("discriminator", self.discriminator_loss), Turn("generator", self.generator_loss)]

    def discriminator_loss(self, batch: Batch, rng: Chance) -> Score:
        real = packed(batch[self.sample_key].detach(), self.pack).requires_grad_()
        fake = packed(self.imagine(batch, rng).detach(), self.pack).requires_grad_()
        rng = rng.every(self.pack)
        if self._linear_between_kinks():
            return self._penalised_at_once(real, fake, batch, rng)
        same = copy.copy(rng)
        logits, others = self.verdict([real, fake], batch, rng)
        real_logits, fake_logits = logits.chunk(2)
        trial = Trial(real, fake, logits, lambda sets, rng: self.verdict(sets, batch, rng)[0], rng, same, self.anchors)
        costs = {name: self.penalties[name] * cost(trial) for name, cost in PENALTIES.items() if name in self.penalties}
        return Score(
            {"adversarial": self.loss.discriminator(real_logits, fake_logits), **costs, **others},
            self._seen(real_logits, fake_logits),
        )

    def _linear_between_kinks(self) -> bool:
        """Whether gradients of R1 and R2 can come by ``belamy.ops.piecewise``: a class that is derived says so anew."""
        linear = all(vars(type(one)).get("piecewise") for one in (self, self.get_submodule("discriminator")))
        return linear and self.normalise is None and bool(self.penalties) and {*self.penalties} <= {"r1", "r2"}

    def _penalised_at_once(self, real: Tensor, fake: Tensor, batch: Batch, rng: Chance) -> Score:
        """What the discriminator's loss is with R1 and R2, without a double backward."""
        samples = torch.cat([real, fake]).detach().requires_grad_()
        altered = torch.cat([self._augmented(side, rng) for side in samples.chunk(2)])
        weights = torch.tensor([self.penalties.get(name, 0.0) for name in ("r1", "r2")]).to(samples)
        weights = weights.repeat_interleave(len(real))
        adversarial, squares, logits = penalised(
            lambda sets: self.judge(sets.chunk(2), batch, rng), samples, altered,
            lambda logits: self.loss.discriminator(*logits.chunk(2)), weights / len(real),
            [value for value in self.get_submodule("discriminator").parameters() if value.requires_grad],
        )  # fmt: skip
        r1, r2 = (weights * squares).view(2, -1).mean(1) / 2
        costs = {name: cost for name, cost in (("r1", r1), ("r2", r2)) if name in self.penalties}
        return Score({"adversarial": adversarial, **costs}, self._seen(*logits.chunk(2)))

    def _seen(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Mean logits; and what adaptive augmentation and penalties go by, and where they stand.

        It is the mean sign of real logits, seen from the ``boundary``, and the mean gap between real and fake ones.
        """
        seen = {"real": real.mean(), "fake": fake.mean()}
        if self.augmentation.adaptive:
            ahead = real - (fake if self.loss.boundary is None else self.loss.boundary)
            seen |= {"sign": ahead.sign().mean(), "augment": real.new_tensor(self.augmentation.p)}
        if self.strictness.over is not None:
            seen |= {"gap": (real - fake).abs().mean(), "strictness": real.new_tensor(self.strictness.factor)}
        return seen

    def generator_loss(self, batch: Batch, rng: Chance) -> Score:
        samples = self.imagine(batch, rng)
        fake = packed(samples, self.pack)
        rng = rng.every(self.pack)
        real_logits = torch.zeros(len(fake), device=fake.device)
        if self.loss.pairs:
            with torch.no_grad():
                real_logits, _ = self.verdict([packed(batch[self.sample_key], self.pack)], batch, rng)
        logits, others = self.verdict([fake], batch, rng)
        steering = {name: self.steer * cost for name, cost in others.items()}
        return Score({
            "adversarial": self.loss.generator(real_logits, logits), **steering, **self.aims(samples, batch, rng)
        })  # fmt: skip

    def aims_loss(self, batch: Batch, rng: Chance) -> Score:
        """The generator's before ``warmup``."""
        return Score(self.aims(self.imagine(batch, rng), batch, rng))

    def advance(self, examples: int) -> None:
        self.alone = examples < self.warmup
        self.augmentation.advance(examples)
        if self.normalise == "spectral":
            self.spectrum.follow(self.get_submodule("discriminator"))
        self.strictness.advance(examples)
        share = self.strictness.factor * (1.0 if self.burn_in is None else cosine(1.0, 0.1, examples, self.burn_in))
        self.penalties = {name: weight * share for name, weight in self._weights.items()}

    def observe(self, seen: Mapping[str, float]) -> None:
        if "sign" in seen:
            self.augmentation.observe(seen["sign"])
        if "gap" in seen:
            self.strictness.observe(seen["gap"])
        if self.anchors is not None and "real" in seen:
            self.anchors.lerp_(self.anchors.new_tensor([seen["real"], seen["fake"]]), 0.01)

    def realness(self, batch: Batch, rng: Chance) -> Tensor | None:
        samples = packed(batch[self.sample_key], self.pack)
        return self._normalised([samples], batch, rng.every(self.pack))[0].detach()

    @property
    def penalised(self) -> bool:
        """Whether there are penalties that could be heavier."""
        return bool(self._weights)

    def heed(self, remedy: str) -> str | None:
        picture = remedy == "augmentation" and self.sample_key == "image"
        if picture and self.augmentation.raise_(AUGMENT_MORE, AUGMENT_MOST):
            return f"pictures are altered with a probability of {self.augmentation.least.item():.2g} from here on"
        if not self.penalised or not self.strictness.raise_(STRICTER):
            return None
        return f"penalties weigh {self.strictness.factor:.3g} times as much as the recipe says from here on"

    def prior(self, n: int, rng: Chance) -> Batch:
        return {"latent": rng.normal(self.latent)} if self.latent else {}


def suited_gamma(small: float, resolution: int, batch: int) -> float:
    """A weight of R1 that is ``small`` at 32x32 with batches of 32; it follows pixels and batch as StyleGAN2-ADA's."""
    return small * (resolution / 32) ** 2 * 32 / batch


def suited_to_pictures(
    resolution: int, batch: int, count: int, burn_in: int, gamma: float | None, penalties: Mapping[str, float] | None,
    augment: float | str | None, augment_over: int | None,
) -> dict[str, Any]:
    """Options of a duel over ``count`` pictures where they are not given.

    R1 and R2 weigh ``gamma``, which grows with the number of pixels and falls with the size of the ``batch``, as that
    of StyleGAN2-ADA does: 2 at 32x32 with batches of 32. Fewer than 5,000 pictures are augmented with a probability
    of .3.
    """  # fmt: skip
    gamma = suited_gamma(2.0, resolution, batch) if gamma is None else gamma
    return {
        "penalties": {"r1": gamma, "r2": gamma, **(penalties or {})}, "burn_in": burn_in,
        "augment": 0.3 * (count < 5000) if augment is None else augment,
        "augment_over": burn_in if augment_over is None else augment_over,
    }  # fmt: skip


def _among(name: str, known: Collection[str]) -> None:
    """Raises ValueError for a word that is not known."""
    if name not in known:
        raise ValueError(f"{name!r} is unknown{nearest(name, known)}; there are {', '.join(known)}")
