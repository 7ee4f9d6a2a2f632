"""The conditional game: its three ways against the papers' formulas, with classes, with attributes and with both."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from belamy.chance import Chance
from belamy.errors import UserError
from belamy.game import Batch
from belamy.games.cgan import CGAN
from belamy.networks.conditional import CONDITIONINGS
from belamy.planning import compose, plan
from tiny import draw_pictures

ROWS = 6
KINDS = {"classes": (3, 0), "attributes": (0, 2), "both": (3, 2)}


def made(conditioning: str, kind: str = "both", **more: Any) -> CGAN:
    torch.manual_seed(0)
    classes, attributes = KINDS[kind]
    return CGAN(8, 1, classes, attributes, conditioning, latent=4, width=4, embedding=3, hidden=8, **more)


def batch() -> Batch:
    return {
        "image": Chance(1, range(ROWS)).uniform(1, 8, 8) * 2 - 1,
        "class": torch.tensor([0, 1, 2, 0, 1, 2]),
        "attributes": torch.tensor([[0, 1], [1, 0], [1, 1], [0, 0], [0, 1], [1, 1]]).float(),
    }


def read(game: CGAN, images: Tensor) -> Tensor:
    """What the discriminator makes of pictures before it looks at the condition, by torch's own layers."""
    reader = game.discriminator.read
    for weight, bias in zip(reader.filters, reader.biases, strict=True):
        images = F.leaky_relu(F.conv2d(images, weight, bias, stride=2, padding=1), 0.2)
    return F.leaky_relu(F.linear(images.flatten(1), reader.gather.weight, reader.gather.bias), 0.2)


def test_projection_adds_the_product_of_embedding_and_picture() -> None:
    game, given = made("projection", "classes", loss="hinge"), batch()
    seen = read(game, given["image"])
    network = game.discriminator
    rows = network.embedding.weight.t()[given["class"]]  # Miyato and Koyama (2018), eq. 3
    logits = seen @ network.logit.weight[0] + network.logit.bias + torch.einsum("bh,bh->b", seen, rows)
    torch.testing.assert_close(game.judge([given["image"]], given, Chance(0, range(ROWS))), logits)


def test_concatenation_joins_picture_and_condition() -> None:
    game, given = made("concatenation"), batch()
    network = game.discriminator
    condition = torch.cat([torch.eye(3)[given["class"]], given["attributes"]], 1)
    both = torch.cat([read(game, given["image"]), condition @ network.embedding.weight.t()], 1)
    logits = F.leaky_relu(both @ network.join.weight.t() + network.join.bias, 0.2) @ network.logit.weight[0]
    torch.testing.assert_close(game.judge([given["image"]], given, Chance(0, range(ROWS))), logits)


def test_the_auxiliary_classifier_is_asked_of_real_and_of_fake() -> None:
    game, given = made("auxiliary", auxiliary=0.5), batch()
    network = game.discriminator
    fake = game.imagine(given, Chance(2, range(ROWS))).detach()

    def cost(images: Tensor) -> Tensor:
        answers = read(game, images) @ network.answer.weight.t() + network.answer.bias
        kinds = -answers[:, :3].log_softmax(1)[torch.arange(ROWS), given["class"]].mean()
        share = answers[:, 3:].sigmoid()
        traits = given["attributes"] * share.log() + (1 - given["attributes"]) * (1 - share).log()
        return kinds - traits.mean()

    term = game.discriminator_loss(given, Chance(2, range(ROWS))).terms["classification"]
    torch.testing.assert_close(term, 0.5 * (cost(given["image"]) + cost(fake)), rtol=1e-4, atol=1e-5)
    term = game.generator_loss(given, Chance(2, range(ROWS))).terms["classification"]
    torch.testing.assert_close(term, 0.5 * cost(fake), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("conditioning", CONDITIONINGS)
def test_every_parameter_learns_and_the_condition_counts(conditioning: str, kind: str) -> None:
    game, given = made(conditioning, kind), batch()
    score = game.discriminator_loss(given, Chance(0, range(ROWS)))
    assert {"adversarial", "r1", "r2"} <= set(score.terms)
    (score.total + game.generator_loss(given, Chance(0, range(ROWS))).total).backward()
    assert [name for name, value in game.named_parameters() if value.grad is None or not value.grad.any()] == []
    game.eval()
    latent = Chance(0, [0, 0]).normal(4)
    one, other = game.sample({"latent": latent, **{name: given[name][:2] for name in ("class", "attributes")}})["image"]
    assert not torch.allclose(one, other)


def test_what_cannot_be_conditioned_is_refused(tmp_path: Any) -> None:
    with pytest.raises(ValueError, match=r"'projektion' is unknown .did you mean 'projection'"):
        made("projektion")
    with pytest.raises(ValueError, match="neither classes nor attributes"):
        CGAN(8, 1)
    recipe = compose("cgan", str(draw_pictures(tmp_path / "plain", {"": 12})))
    with pytest.raises(UserError, match="CGAN: the data has neither classes nor attributes"):
        plan(recipe, "cpu").game()
    for name in ("classes", "attributes"):
        asked = compose("cgan", str(tmp_path / "plain"), {f"game.{name}": 3})
        with pytest.raises(UserError, match=f"the game wants {name} 3, the data has none"):
            plan(asked, "cpu")


def test_the_penalties_follow_the_size_unless_told() -> None:
    assert CGAN(16, 1, 2).penalties == {"r1": 0.5, "r2": 0.5}
    assert CGAN(16, 1, 2, penalties={}).penalties == {}
