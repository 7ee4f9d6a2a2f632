"""A model as files: in a folder that needs nothing beside it, or on the Hugging Face hub."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from belamy.errors import UserError
from belamy.game import Game
from belamy.recipe import build
from belamy.storage import read_json, read_tensors, write_json, write_tensors, write_text
from belamy.version import __version__

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"


@dataclass
class Pretrained:
    """The game with its weights, its ``spec`` in the recipe, the ``facts`` of its data, and the card, if any."""

    game: Game
    spec: dict[str, Any]
    facts: dict[str, Any]
    card: str | None = None

    def save(self, folder: str | Path) -> Path:
        """Writes weights, config and card, each whole or not at all."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / CONFIG, {"belamy": __version__, "game": self.spec, "facts": self.facts})
        write_tensors(folder / WEIGHTS, shipped_tensors(self.game), {"format": "pt"})
        if self.card is not None:
            write_text(folder / CARD, self.card)
        return folder

    def push(self, repo_id: str, **options: Any) -> str:
        """Uploads to the Hugging Face hub; the address is returned."""
        from huggingface_hub import HfApi

        api = HfApi()
        address = api.create_repo(repo_id, exist_ok=True, **options)
        with tempfile.TemporaryDirectory() as folder:
            api.upload_folder(repo_id=repo_id, folder_path=self.save(folder))
        return str(address)

    @classmethod
    def load(cls, name: str | Path) -> Pretrained:
        """What is in a folder, or of that name on the hub. Raises UserError where there is none, or a damaged one."""
        folder = Path(name)
        if not folder.is_dir():
            folder = _downloaded(str(name))
        config = read_json(folder / CONFIG)
        if not {"game", "facts"} <= set(config):
            raise UserError(f"{folder / CONFIG} is not that of a belamy model")
        if ".py:" in config["game"]["use"]:
            _own_game_allowed(folder, config["game"])
        game = build(config["game"], Game)
        tensors, own = read_tensors(folder / WEIGHTS), shipped_tensors(game)
        if set(tensors) != set(own) or any(tensors[name].shape != value.shape for name, value in own.items()):
            raise UserError(f"{folder}: the weights are not those of the network that {CONFIG} describes")
        for name, value in own.items():
            value.detach().copy_(tensors[name])
        card = folder / CARD
        text = card.read_text(encoding="utf-8") if card.is_file() else None
        return cls(game, config["game"], config["facts"], text)


def shipped_tensors(game: Game) -> dict[str, torch.Tensor]:
    """The state of the shipped players, by ``player.name``."""
    return {
        f"{name}.{inner}": value
        for name in game.shipped
        for inner, value in game.get_submodule(name).state_dict().items()
    }


def _own_game_allowed(folder: Path, spec: dict[str, Any]) -> None:
    """A game of the user's own is code: it is run from where the user trained it, never from a download."""
    if not Path(spec["use"].rpartition(":")[0]).is_file():
        raise UserError(f"{folder} needs the game {spec['use']}: call from the folder that holds that file")


def _downloaded(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    if name.count("/") != 1 or name.startswith((".", "/")):
        raise UserError(f"there is no run or model at {name}")
    try:
        found = Path(snapshot_download(name, allow_patterns=[WEIGHTS, CONFIG, CARD]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"there is no folder {name}, and the hub does not give a model {name}: {reason}") from None
    if ".py:" in read_json(found / CONFIG).get("game", {}).get("use", ""):
        raise UserError(f"{name} asks for code of its own, which is not run from a download")
    return found
