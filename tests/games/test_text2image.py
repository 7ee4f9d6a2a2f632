"""Text to image: what is asked of a caption, in numbers that can be followed by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from belamy.chance import Chance
from belamy.games.text2image import TEMPERATURE, Text2Image
from belamy.networks.text2image import Discriminator, Reader, match
from tiny import roughened


def game(**options: object) -> Text2Image:
    torch.manual_seed(0)
    small = {"width": 4, "most": 8, "latent": 4, "code": 6, "text_width": 5, "augment": 0.0, "blur": 0.0}
    return roughened(Text2Image(resolution=8, channels=3, **{**small, **options}))  # type: ignore[arg-type]


def batch(n: int = 6, words: int = 0, seed: int = 1) -> dict[str, torch.Tensor]:
    rows = torch.Generator().manual_seed(seed)
    return {
        "image": torch.rand(n, 3, 8, 8, generator=rows) * 2 - 1,
        "text": F.normalize(torch.randn(n, 1 + words, 5, generator=rows), dim=2),
        "wrong": F.normalize(torch.randn(n, 2, 1 + words, 5, generator=rows), dim=3),
    }


def test_wrong_captions_cost_what_the_formulas_say() -> None:
    player, rows = game(text_penalty=0.0, mismatch=2.0, contrastive=3.0), batch()
    rows["text"][0] = 0  # nothing was told of it: no caption is wrong
    rows["text"][5] = rows["text"][4]  # to each other these are not wrong
    _, others = player.assess([rows["image"]], rows, Chance(0, range(6)))
    with torch.no_grad():
        seen = player.discriminator.seen(rows["image"])
        right = player.discriminator.understood(rows["text"])
        wrong = [player.discriminator.understood(rows["wrong"][:, k]) for k in range(2)]
    mismatch = contrastive = 0.0
    for row in range(1, 6):
        mine = (seen[row] @ right[row]) / math.sqrt(256)
        theirs = [(seen[row] @ one[row]) / math.sqrt(256) for one in wrong]
        mismatch += sum(math.log1p(math.exp(float(other - mine))) for other in theirs) / 2 / 6
        choices = [one[row] for one in (right, *wrong)]
        choices += [right[other] for other in range(1, 6) if other != row and {other, row} != {4, 5}]
        cosines = [float(F.cosine_similarity(seen[row], one, dim=0)) / TEMPERATURE for one in choices]
        contrastive += (math.log(sum(map(math.exp, cosines))) - cosines[0]) / 6
    assert others["mismatch"].item() == pytest.approx(2 * mismatch, rel=1e-4)
    assert others["contrastive"].item() == pytest.approx(3 * contrastive, rel=1e-4)


def test_a_share_of_what_fits_steers_the_generator() -> None:
    rows, terms = batch(), []
    for steer in (1.0, 0.25):
        score = game(steer=steer).generator_loss(rows, Chance(0, range(6)))
        terms.append(torch.stack([score.terms["mismatch"], score.terms["contrastive"]]).detach())
    assert torch.allclose(terms[1], 0.25 * terms[0])


def test_the_generator_learns_to_read_from_the_discriminator() -> None:
    rows, player = batch(), game(reading=3.0)
    terms = player.generator_loss(rows, Chance(0, range(6))).terms
    with torch.no_grad():
        heard = player.generator.heard(player.generator.read(rows["text"])[0])
        right, *wrong = (player.discriminator.understood(one) for one in (rows["text"], *rows["wrong"].unbind(1)))
        behind = torch.stack([match(heard, one - right) for one in wrong])
    assert terms["reading_mismatch"].item() == pytest.approx(3 * F.softplus(behind).mean().item(), rel=1e-4)
    named = dict(player.generator.named_parameters())
    slopes = torch.autograd.grad(terms["reading_contrastive"], list(named.values()), allow_unused=True)
    reached = {name.split(".")[0] for name, slope in zip(named, slopes, strict=True) if slope is not None}
    assert reached == {"reader", "heard"}
    assert not any("reading" in name for name in game(reading=0.0).generator_loss(rows, Chance(0, range(6))).terms)


def test_texts_are_blurred_by_a_part_of_a_wrong_one_where_something_was_told() -> None:
    rows = batch(words=3)
    rows["text"][0], rows["text"][1, 2:] = 0, 0
    blurred = game(words=3, blur=0.5)._blurred(rows, Chance(0, range(6)))
    added, wrong = blurred - rows["text"], rows["wrong"][:, 0]
    share = added[2:].flatten(1).norm(dim=1) / wrong[2:].flatten(1).norm(dim=1)
    assert share.min() > 0 and share.max() < 0.5 and share.std() > 0.02
    assert torch.allclose(added[2:], share[:, None, None] * wrong[2:], atol=1e-6)
    assert not blurred[0].any() and not blurred[1, 2:].any() and added[1, :2].any()
    assert game(words=3)._blurred(rows, Chance(0, range(6))).equal(rows["text"])


def test_the_text_penalty_is_the_squared_gradient() -> None:
    player, rows = game(text_penalty=0.5, mismatch=0.0, contrastive=0.0), batch()
    _, others = player.assess([rows["image"], rows["image"]], rows, Chance(0, range(6)))
    squares = 0.0
    for row in range(6):
        text = rows["text"][row : row + 1].clone().requires_grad_()
        seen = player.discriminator.seen(rows["image"][row : row + 1])
        (slope,) = torch.autograd.grad(match(seen, player.discriminator.understood(text)).sum(), text)
        squares += slope.square().sum().item() / 6
    assert others["text_penalty"].item() == pytest.approx(0.5 * squares, rel=1e-3)


def test_words_that_are_not_there_change_nothing() -> None:
    torch.manual_seed(0)
    reader = roughened(Reader(5, 4, words=3))
    text = torch.randn(3, 4, 5)
    text[:, 3] = 0
    assert torch.allclose(reader(text), reader(text[:, :3]), atol=1e-5)
    assert not torch.allclose(reader(text), reader(text[:, :2]), atol=1e-3)


def test_the_order_of_words_counts() -> None:
    reader = roughened(Reader(5, 4, words=3))
    text = torch.randn(3, 4, 5)
    assert not torch.allclose(reader(text), reader(text[:, [0, 2, 1, 3]]), atol=1e-3)


def test_guidance_of_one_is_the_prompt_alone_and_of_none_what_is_against_it() -> None:
    player, rows = game(), batch(3)
    given = player.prior(3, Chance(5, range(3)))
    plain = player.sample({**given, "text": rows["text"]})["image"]

    def guided(amount: float) -> torch.Tensor:
        against, guidance = rows["wrong"][:, 0], torch.full((3,), amount)
        return player.sample({**given, "text": rows["text"], "against": against, "guidance": guidance})["image"]

    assert torch.allclose(guided(1.0), plain, atol=1e-5)
    other = player.sample({**given, "text": rows["wrong"][:, 0]})["image"]
    assert torch.allclose(guided(0.0), other, atol=1e-5)
    assert not torch.allclose(guided(2.0), plain, atol=1e-3)


def test_styles_carry_the_text() -> None:
    player, rows = game(), batch(3)
    given = {**player.prior(3, Chance(5, range(3))), "text": rows["text"]}
    styles = player.styles(given)
    assert styles.shape == (3, 1, 10)
    again = player.sample({"styles": styles})["image"]
    assert torch.equal(again, player.sample(given)["image"])


def test_what_a_text_means_varies_in_training_alone_and_where_it_is_asked_to() -> None:
    rows = batch(2)
    rows["text"][1] = rows["text"][0]
    for vary, alike in ((0.0, True), (0.01, False)):
        player = game(vary=vary)
        player.generator.enter.data[:, :4] = 0
        player.generator.ground.data[:, :4] = 0
        one, other = player.imagine(rows, Chance(0, range(2)))
        assert torch.allclose(one, other, atol=1e-5) == alike
        assert ("meaning" in player.aims(rows["image"], rows, Chance(0, range(2)))) != alike


def test_the_discriminator_reads_its_own_way() -> None:
    torch.manual_seed(0)
    network = roughened(Discriminator(3, 4, [8, 8], 5, 0))
    images, text = torch.randn(2, 3, 8, 8), torch.randn(2, 1, 5)
    seen, wanted = network.seen(images), network.understood(text)
    assert seen.shape == wanted.shape == (2, 256)
    assert match(seen, wanted).shape == (2,)
