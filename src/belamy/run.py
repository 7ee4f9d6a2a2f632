"""The run folder: recipe, facts, checkpoints, log, samples, and the model that ships."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from belamy.errors import UserError
from belamy.model import Model
from belamy.recipe import Recipe, parse
from belamy.storage import flush, mend, read_json, read_tensors, whole_folder, write_json, write_tensors, write_text


class Run:
    """A folder of one training: ``Run.create`` begins it, ``Run.open`` finds it again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints, self.samples, self.model = path / "checkpoints", path / "samples", path / "model"

    @classmethod
    def create(cls, path: Path, recipe: Recipe) -> Run:
        """Raises UserError where something is there already: a run is never overwritten."""
        cls.refuse_existing(path)
        path.mkdir(parents=True, exist_ok=True)
        write_text(path / "recipe.yaml", recipe.dump())
        return cls(path)

    @staticmethod
    def refuse_existing(path: Path) -> None:
        """Raises UserError where something is at ``path``."""
        if path.exists() and (not path.is_dir() or any(not entry.name.startswith(".") for entry in path.iterdir())):
            raise UserError(f"{path} exists: go on with it by --resume {path}, or choose another --out")

    @classmethod
    def open(cls, path: Path) -> Run:
        """Raises UserError where there is no run."""
        if not (path / "recipe.yaml").is_file():
            raise UserError(f"{path} is not a run folder: it has no recipe.yaml")
        return cls(path)

    @property
    def recipe(self) -> Recipe:
        try:
            return parse(yaml.safe_load((self.path / "recipe.yaml").read_text(encoding="utf-8")))
        except (yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
            raise UserError(f"{self.path / 'recipe.yaml'} is damaged: {' '.join(str(error).split())}") from None

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = read_json(self.path / "facts.json")
        return facts

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps a second writer out; the system frees it when the process ends, however it ends."""
        with (self.path / ".lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise UserError(f"{self.path} is being written by another process; wait, or stop that one") from None
            for folder in (self.checkpoints, self.samples, self.model):
                folder.mkdir(exist_ok=True)
            mend(self.checkpoints)
            yield

    def save(self, tensors: dict[str, Tensor], state: dict[str, Any], limit: int) -> Path:
        """A checkpoint named by its examples, whole or not at all; then only ``limit`` and the best of all are kept."""
        path = self.checkpoints / f"{state['clock']['examples']:012d}"
        with whole_folder(path) as folder:
            write_tensors(folder / "state.safetensors", tensors)
            write_json(folder / "state.json", state)
        best = self.checkpoint(state["best"]["examples"]) if state.get("best") else None
        for old in self.saved()[:-limit]:
            if old != best:
                _forget(old)
        return path

    def checkpoint(self, examples: int | None) -> Path | None:
        """The checkpoint after so many examples, where it is kept."""
        path = None if examples is None else self.checkpoints / f"{examples:012d}"
        return path if path is not None and path.is_dir() else None

    def forget_after(self, checkpoint: Path | None) -> None:
        """Removes all checkpoints that are later than one, the latest first, or all there are."""
        for later in reversed(self.saved()):
            if checkpoint is None or later.name > checkpoint.name:
                _forget(later)

    def saved(self) -> list[Path]:
        """The checkpoints, oldest first."""
        if not self.checkpoints.is_dir():
            return []
        return sorted(path for path in self.checkpoints.iterdir() if re.fullmatch(r"\d{12}", path.name))

    @property
    def finished(self) -> bool:
        """Whether all examples were played, and the report is there."""
        saved = self.saved()
        return bool(saved) and int(saved[-1].name) >= self.recipe.examples and (self.path / "report.html").is_file()

    def read(self, path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The tensors and the state of a checkpoint. Raises UserError where it is damaged."""
        return read_tensors(path / "state.safetensors"), read_json(path / "state.json")

    def log(self, event: str, examples: int, **content: Any) -> None:
        """One line more in ``log.jsonl``."""
        line = json.dumps({"event": event, "examples": examples, **content}, default=float)
        with (self.path / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def events(self) -> list[dict[str, Any]]:
        """The lines of the log; one that was cut short by a kill is left out."""
        path, events = self.path / "log.jsonl", []
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
            with contextlib.suppress(ValueError):
                events.append(json.loads(line))
        return events

    def ship(self, model: Model, card: str) -> None:
        """Writes ``model/``: each file is replaced whole, and only the weights and the card ever change."""
        model.card = card
        model.save_pretrained(self.model)
        flush(self.model)


def _forget(checkpoint: Path) -> None:
    doomed = checkpoint.with_name(f".{checkpoint.name}.{os.getpid()}")  # a kill must not leave half of what is listed
    checkpoint.replace(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def load(path: str | Path, device: str = "cpu") -> Model:
    """The trained generator of a run, of a model folder, or of that name on the Hugging Face hub.

    Raises UserError where there is none.
    """
    folder = Path(path)
    if (folder / "recipe.yaml").is_file():
        folder = folder / "model"
        if not (folder / "model.safetensors").is_file():
            raise UserError(f"{path} has no model yet: train it further with --resume {path}")
    return Model.from_pretrained(folder if folder.is_dir() else path, device)
