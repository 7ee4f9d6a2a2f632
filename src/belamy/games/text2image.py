"""Text to image: both networks read the caption, and a picture with a wrong one is false (Reed et al., 2016)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from belamy.chance import Chance
from belamy.duel import Duel, suited_to_pictures
from belamy.game import Batch
from belamy.networks.r3gan import base_size
from belamy.networks.text2image import Discriminator, Generator, match
from belamy.ops.penalties import squared_gradients
from belamy.ops.precision import in_full
from belamy.ops.processes import gathered, whole_batch
from belamy.ops.values import Count, Weight, Whole

TEMPERATURE = 0.1
"""Of the contrastive loss, whose likenesses are cosines."""
FAR = -100.0
"""A likeness that counts for nothing."""


class Text2Image(Duel):
    """Pictures [B, ``channels``, R, R] of what "text" [B, 1 + ``words``, ``text_width``] says; zeros say nothing.

    Beside R3GAN's loss and penalties (Huang et al., 2024), whose arguments are those of that game:

    - ``mismatch`` weighs that a picture fits its caption better than each of "wrong" [B, K, 1 + W, D], in the
      relativistic form: softplus(wrong - right). It asks this of real pictures of the discriminator, and of its own of
      the generator;
    - ``contrastive`` that it is nearest to its own caption, among those and all of the batch (XMC-GAN, Zhang et al.,
      2021). Of both a share ``steer`` steers the generator: what fits a caption best is not yet real;
    - ``reading`` weighs both of what the generator has read, in place of a picture: the discriminator's reader is told
      what is wrong, and from it the generator's learns who is of which colour long before it could paint that;
    - ``text_penalty`` the squared gradient of real logits by the text: with R1, which is that by the picture, it is
      the matching-aware penalty (DF-GAN, Tao et al., 2022) with the square in place of the sixth power, which bf16
      does not survive;
    - ``vary`` conditioning augmentation (StackGAN, Zhang et al., 2017): what a text means is drawn from a Gaussian,
      which is kept near the standard one, in training; samples take its mean;
    - ``blur`` that each text is mixed with up to so much of one of its wrong ones, in training: words never used then
      cost less.
    """

    def __init__(
        self, resolution: Count, channels: Count, text_width: Count, words: Whole = 0, latent: Count = 64,
        code: Count = 128, width: Count = 32, most: Count = 128, gamma: Weight | None = None,
        burn_in: Whole = 100_000, loss: str = "relativistic", penalties: Mapping[str, Weight] | None = None,
        mismatch: Weight = 1.0, contrastive: Weight = 1.0, steer: Weight = 0.2, reading: Weight = 1.0,
        text_penalty: Weight = 0.001, vary: Weight = 0.001, blur: Weight = 0.25, augment: float | str | None = None,
        augment_over: Whole | None = None, correct: int | None = 2000, count: Whole = 0, batch: Count = 32,
        **others: Any,
    ) -> None:  # fmt: skip
        suited = suited_to_pictures(resolution, batch, count, burn_in, gamma, penalties, augment, augment_over)
        super().__init__(latent, loss, correct=correct, **suited, **others)
        base = base_size(resolution)
        sizes = range((resolution // base).bit_length())
        painting, looking = ([min(most, last << size) for size in reversed(sizes)] for last in (width, -(-width // 2)))
        hears = bool(reading and (mismatch or contrastive))
        self.generator = Generator(channels, base, painting, latent, text_width, code, words, hears)
        self.discriminator = Discriminator(channels, base, looking, text_width, words)
        self.code, self.mismatch, self.contrastive = code, mismatch, contrastive
        self.steer, self.reading, self.text_penalty, self.vary, self.blur = steer, reading, text_penalty, vary, blur
        self.rowwise = self.rowwise and not contrastive

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        text = self._blurred(batch, rng)
        mean, spread = self.generator.read(text)
        latent, haze = rng.normal(self.latent), rng.normal(self.code)
        meant = mean + (0.5 * spread).exp() * haze if self.vary else mean
        pictures: Tensor = self.generator(latent, meant, text)
        return pictures

    def _blurred(self, batch: Batch, rng: Chance) -> Tensor:
        """Texts [B, 1 + W, D] as training sees them; what was not told, and words that are not there, stay zeros."""
        text = batch["text"].detach()
        if not self.blur or "wrong" not in batch:
            return text
        share = self.blur * rng.uniform(1, 1)
        return text + share * batch["wrong"][:, 0] * (text != 0)

    def assess(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> tuple[Tensor, dict[str, Tensor]]:
        """The first set should fit its captions: real pictures in the discriminator's turn."""
        text = self._blurred(batch, rng)
        learning = torch.is_grad_enabled()
        judging = learning and len(sets) > 1 and bool(self.text_penalty)
        if judging:
            text = text.requires_grad_()
        wanted, seen = self.discriminator.understood(text), self.discriminator.seen(torch.cat(list(sets)))
        logits = match(seen, wanted.repeat(len(sets), 1))
        others = self._matching(seen[: len(text)], wanted, batch) if learning else {}
        if judging:
            (slopes,) = squared_gradients(logits[: len(text)], text)
            others["text_penalty"] = self.text_penalty * slopes.mean()
        return logits, others

    def judge(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> Tensor:
        return self.assess(sets, batch, rng)[0]

    def _matching(self, seen: Tensor, wanted: Tensor, batch: Batch) -> dict[str, Tensor]:
        """What tells right captions from wrong ones, where there was a caption, as a mean over all rows."""
        if "wrong" not in batch or not (self.mismatch or self.contrastive):
            return {}
        wrong = self.discriminator.understood(batch["wrong"].flatten(0, 1)).unflatten(0, batch["wrong"].shape[:2])
        told = (batch["text"][:, 0].abs().sum(1) > 0).float()
        found: dict[str, Tensor] = {}
        if self.mismatch:
            ahead = match(seen, wanted)[:, None] - match(seen[:, None].expand_as(wrong), wrong)
            found["mismatch"] = self.mismatch * (told * F.softplus(-ahead).mean(1)).mean()
        if self.contrastive:
            likeness = self._likeness(seen, torch.cat([wanted[:, None], wrong], 1), batch["text"])
            found["contrastive"] = self.contrastive * (told * -F.log_softmax(likeness, 1)[:, 0]).mean()
        return found

    def _likeness(self, seen: Tensor, choices: Tensor, text: Tensor) -> Tensor:
        """Cosines over TEMPERATURE [B, N + R] of what is seen [B, S] with ``choices`` [B, N, S], its own at first, and
        with what the R rows of the global batch were told.

        Of the latter those are far away whose ``text`` [B, 1 + W, D] is its own, or nothing.
        """
        mine, others = text[:, 0], gathered(text[:, 0])
        same = (mine[:, None] == others).all(2) | (others == 0).all(1)
        with in_full(seen):
            cosines = F.normalize(seen, dim=1) @ F.normalize(whole_batch(choices[:, 0]), dim=1).mT
        own = F.cosine_similarity(seen[:, None], choices, dim=2)
        return torch.cat([own, cosines.masked_fill(same, FAR)], 1) / TEMPERATURE

    def aims(self, samples: Tensor, batch: Batch, rng: Chance) -> dict[str, Tensor]:
        mean, spread = self.generator.read(batch["text"])
        found: dict[str, Tensor] = {}
        if self.generator.heard is not None:
            with in_full(mean):
                heard = self.generator.heard(mean)
            for name, cost in self._matching(heard, self.discriminator.understood(batch["text"]), batch).items():
                found[f"reading_{name}"] = self.reading * cost
        if self.vary:
            found["meaning"] = self.vary * 0.5 * (mean.square() + spread.exp() - 1 - spread).sum(1).mean()
        return found

    def styles(self, given: Batch) -> Tensor:
        """Latent and code as one, [B, 1, latent + code]: so pictures blend from one text into another.

        Here a text means what it does in the mean: what is drawn around it in training blurs the shapes of new words.
        """
        latent = given["latent"]
        text = given.get("text")
        text = latent.new_zeros(latent.shape[0], 1, self.generator.reader.width) if text is None else text
        code, _ = self.generator.read(text)
        if "guidance" in given:
            against = given["against"] if "against" in given else torch.zeros_like(text)
            away, _ = self.generator.read(against)
            code = away + given["guidance"][:, None] * (code - away)
        return torch.cat([latent, code], 1)[:, None]

    def sample(self, given: Batch) -> Batch:
        """``guidance`` [B] above 1 goes further from what "against" says, or from nothing said, towards the text."""
        latent, code = (given["styles"] if "styles" in given else self.styles(given))[:, 0].split(
            [self.latent, self.code], dim=1
        )
        text = given.get("text")
        text = latent.new_zeros(latent.shape[0], 1, self.generator.reader.width) if text is None else text
        return {"image": self.generator(latent, code, text)}
