"""Tables with differential privacy: the discriminator learns from clipped and noised gradients (Abadi et al., 2016)."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad, vmap

from belamy.chance import Chance, key
from belamy.duel import Duel
from belamy.errors import UserError
from belamy.game import Batch, Score
from belamy.networks.table import Discriminator, Generator
from belamy.ops.processes import processes
from belamy.ops.values import Count, Whole


class PrivateTable(Duel):
    """Rows as those of ``belamy.games.table.Table``; what ships is (``epsilon``, ``delta``)-differentially private.

    Of each real row the gradient of -log sigmoid is clipped to a norm of ``clip``, their sum gets normal noise, and is
    divided by ``lot``, the number of rows that are expected (``count`` times the probability of each). How much noise
    ``examples`` in batches of ``batch`` want is what Opacus' accountant says, of steps in which rows are drawn one by
    one (Poisson). ``delta`` is a tenth of 1 / ``count`` unless told. The generator sees the discriminator alone.

    There are no penalties and no packing: both would see real rows unclipped. ``secret`` is what the noise is made
    from: None draws one, which a checkpoint holds and a model does not.
    """

    sample_key = "row"
    rowwise = False
    secret: Tensor

    def __init__(
        self, choices: Sequence[int], numbers: int, owners: Sequence[int],
        factors: Sequence[Sequence[float]], levels: Sequence[float], count: int, lot: int, examples: int, batch: int,
        epsilon: float = 3.0, delta: float | None = None, clip: float = 1.0, width: Count = 128, blocks: Whole = 1,
        secret: int | None = None,
    ) -> None:  # fmt: skip
        if epsilon <= 0 or clip <= 0:
            raise ValueError("epsilon and clip should be above 0")
        generator = Generator(choices, numbers, owners, factors, levels, width, blocks)
        super().__init__(generator.latent, "non-saturating")
        self.generator, self.dice = generator, len(choices)
        self.discriminator = Discriminator(choices, numbers, width, blocks)
        self.epsilon, self.delta, self.clip, self.lot = epsilon, delta or 0.1 / count, clip, lot
        self.steps, self.share, self.noise = -(-examples // batch), lot / count, 0.0
        self.register_buffer("secret", torch.tensor(secret if secret is not None else secrets.randbits(62)))

    def prepare(self) -> None:
        """Raises UserError where the promise could not be kept."""
        if processes() > 1:
            raise UserError("privacy is promised of one process: start one")
        try:
            from opacus.accountants.utils import get_noise_multiplier
        except ImportError:
            raise UserError("privacy is accounted for by opacus: pip install 'belamy[privacy]'") from None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of bounds that it begins with, which it goes on to narrow
            self.noise = get_noise_multiplier(
                target_epsilon=self.epsilon, target_delta=self.delta, sample_rate=self.share, steps=self.steps,
                accountant="prv",
            )  # fmt: skip

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        """New rows, of which nothing is asked."""
        rows: Tensor = self.generator(
            rng.normal(self.latent), rng.uniform(self.dice), batch["barred"], batch["lower"], batch["upper"]
        )
        return rows

    def judge(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> Tensor:
        asked = [batch[name].repeat(len(sets), 1) for name in ("barred", "lower", "upper")]
        logits: Tensor = self.discriminator(torch.cat(list(sets)), *asked)
        return logits

    def discriminator_loss(self, batch: Batch, rng: Chance) -> Score:
        if not self.noise:
            raise UserError("this game has not been prepared, so it has no noise")
        fake = F.softplus(self.judge([self.imagine(batch, rng).detach()], batch, rng)).mean()
        noised = self._noised(batch, rng)
        # Linear in the parameters: its gradient is the noised one. Its value, which would tell of real rows, is nil.
        named = dict(self.discriminator.named_parameters())
        real = torch.stack([(named[name] * value).sum() for name, value in noised.items()]).sum()
        return Score({"adversarial": fake, "real": real - real.detach()})

    def _noised(self, batch: Batch, rng: Chance) -> dict[str, Tensor]:
        """The gradient of what real rows cost, clipped by row, and noised."""
        parameters = {name: value.detach() for name, value in self.discriminator.named_parameters()}
        asked = [batch[name] for name in ("barred", "lower", "upper")]

        def cost(parameters: dict[str, Tensor], *given: Tensor) -> Tensor:
            logits: Tensor = functional_call(self.discriminator, parameters, tuple(one[None] for one in given))
            return F.softplus(-logits[0])

        each: dict[str, Tensor] = vmap(grad(cost), in_dims=(None, 0, 0, 0, 0))(parameters, batch["row"], *asked)
        norm = torch.stack([value.flatten(1).square().sum(1) for value in each.values()]).sum(0).sqrt()
        weight = batch["present"] * (self.clip / norm.clamp(min=self.clip))
        # Of one row for all: noise is added to the sum once.
        noise = Chance(key("noise", self.secret.item(), rng.integers(2**52)[0].item()), [0], weight.device)
        sums = {name: torch.tensordot(weight, value, 1) for name, value in each.items()}
        spread = self.noise * self.clip
        return {name: (value + spread * noise.normal(*value.shape)[0]) / self.lot for name, value in sums.items()}

    def prior(self, n: int, rng: Chance) -> Batch:
        return {"latent": rng.normal(self.latent), "dice": rng.uniform(self.dice)}

    def sample(self, given: Batch) -> Batch:
        rows = self.generator(given["latent"], given["dice"], given["barred"], given["lower"], given["upper"])
        return {"row": rows}
