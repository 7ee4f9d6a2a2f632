"""What users say, as a model learnt to read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from belamy.errors import UserError
from belamy.text.embedded import centred
from belamy.text.encoders import checked, encoder, warn_cut

FARTHEST = 100
"""Guidance at most: pictures are extreme long before."""


@dataclass(frozen=True)
class Prompt:
    """What to paint. ``guidance`` above 1 goes further from ``negative``, or from nothing said, towards ``text``.

    Raises UserError for guidance that is not from 0, which paints ``negative``, to FARTHEST.
    """

    text: str
    negative: str | None = None
    guidance: float | None = None

    def __post_init__(self) -> None:
        if self.guidance is not None and not 0 <= self.guidance <= FARTHEST:
            raise UserError(f"guidance {self.guidance:g} should be from 0 to {FARTHEST}; 1 is the prompt alone")


def conditions(prompt: Prompt, facts: dict[str, Any]) -> dict[str, Tensor]:
    """"text" [1, 1 + words, D] as games take it, "against" of the same shape, and "guidance" [1], as far as asked.

    ``facts`` are those of the model. Raises UserError where it reads no texts, or where the prompt cannot be read.
    """
    if not facts.get("text"):
        raise UserError("this model reads no prompts: it was trained without captions")
    found = {"text": read([prompt.text], facts["text"])}
    if prompt.negative is not None:
        found["against"] = read([prompt.negative], facts["text"])
    if prompt.negative is not None or prompt.guidance is not None:
        found["guidance"] = torch.tensor([1.5 if prompt.guidance is None else prompt.guidance])
    return found


def read(prompts: Sequence[str], facts: dict[str, Any]) -> Tensor:
    """Texts, as the encoder of these ``facts`` reads them: float32 [N, 1 + words, D].

    Raises UserError for one that says nothing, and where the encoder is not the one that a model learnt with.
    """
    own = encoder(facts["encoder"])
    if own.digest != facts["hash"]:
        raise UserError(
            f"the text encoder {own.name} is not the one that this model learnt with ({own.digest[:12]} in place of"
            f" {facts['hash'][:12]}): install the same version"
        )
    found, cut = own.encode([checked(prompt, own) for prompt in prompts], facts["words"])
    warn_cut(len(cut), prompts[cut[0]] if cut else "")
    return centred(found.astype(np.float16), facts)
