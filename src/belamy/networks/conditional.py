"""Networks in the manner of DCGAN (Radford et al., 2016) that know what a picture should show.

A condition is a vector [B, K]: a class as a one, the rest zeros; attributes as ones and zeros; or both, side by side.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from belamy.networks import dcgan
from belamy.ops.precision import in_full

CONDITIONINGS = ("concatenation", "projection", "auxiliary")


class Generator(nn.Module):
    """Latents [B, ``latent``] and conditions [B, ``conditions``] to pictures [B, ``channels``, R, R] in [-1, 1].

    The condition is embedded in ``embedding`` numbers beside the latent.
    """

    def __init__(
        self, channels: int, resolution: int, latent: int, conditions: int, width: int, embedding: int
    ) -> None:  # fmt: skip
        super().__init__()
        self.embedding = nn.Linear(conditions, embedding, bias=False)
        nn.init.normal_(self.embedding.weight)  # as large as the latent
        self.paint = dcgan.Generator(channels, resolution, latent + embedding, width)

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        pictures: Tensor = self.paint(torch.cat([latent, self.embedding(condition.to(latent))], 1))
        return pictures.float()


class Discriminator(nn.Module):
    """Pictures and conditions [B, ``conditions``] to logits [B], and where "auxiliary" to answers [B, ``conditions``].

    The picture is read into ``hidden`` numbers. With "concatenation" these and as many of the condition make a joint
    layer (Mirza and Osindero, 2014); with "projection" their product with an embedding of the condition is added to
    the logit (Miyato and Koyama, 2018); "auxiliary" never sees the condition, but guesses it (Odena et al., 2017).
    ``offset``: whether the logit has a bias.
    """

    def __init__(
        self, channels: int, resolution: int, conditions: int, width: int, hidden: int, conditioning: str,
        offset: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.conditioning = conditioning
        self.read = dcgan.Reader(channels, resolution, width, hidden)
        self.logit = nn.Linear(hidden, 1, bias=offset)
        if conditioning == "auxiliary":
            self.answer = nn.Linear(hidden, conditions)
            return
        self.embedding = nn.Linear(conditions, hidden, bias=False)
        nn.init.normal_(self.embedding.weight, 0, hidden**-0.5 if conditioning == "projection" else 1)
        if conditioning == "concatenation":
            self.join = nn.Linear(2 * hidden, hidden)
            nn.init.kaiming_normal_(self.join.weight, 0.2)

    def forward(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor | None]:
        seen = self.read(images)
        with in_full(images):
            if self.conditioning == "auxiliary":
                return self.logit(seen)[:, 0], self.answer(seen)
            wanted = self.embedding(condition.to(seen))
            if self.conditioning == "projection":
                return self.logit(seen)[:, 0] + (seen * wanted).sum(1), None
            joint = F.leaky_relu(self.join(torch.cat([seen, wanted], 1)), 0.2)
            return self.logit(joint)[:, 0], None
