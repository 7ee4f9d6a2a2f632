"""belamy: the toolkit for generative adversarial networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from belamy.version import __version__ as __version__

if TYPE_CHECKING:
    from belamy.chance import Chance as Chance
    from belamy.errors import UserError as UserError
    from belamy.exporting.program import export as export
    from belamy.game import Batch as Batch
    from belamy.game import Game as Game
    from belamy.game import Score as Score
    from belamy.game import Turn as Turn
    from belamy.judge import evaluate as evaluate
    from belamy.model import Model as Model
    from belamy.recipe import names as list_models  # noqa: F401
    from belamy.run import load as load
    from belamy.source import Source as Source
    from belamy.tabular import TableGAN as TableGAN
    from belamy.training import train as train

_PLACES = {
    "Batch": "game", "Chance": "chance", "Game": "game", "Model": "model", "Score": "game", "Source": "source",
    "TableGAN": "tabular", "Turn": "game", "UserError": "errors", "evaluate": "judge",
    "export": "exporting.program",
    "list_models": "recipe",
    "load": "run", "train": "training",
}  # fmt: skip
__all__ = sorted(_PLACES)


def __getattr__(name: str) -> Any:
    """Imports on first use, so that the command line answers before torch is loaded."""
    if name not in _PLACES:
        raise AttributeError(f"module 'belamy' has no attribute {name!r}")
    import importlib

    module = importlib.import_module(f"belamy.{_PLACES[name]}")
    return getattr(module, "names" if name == "list_models" else name)
