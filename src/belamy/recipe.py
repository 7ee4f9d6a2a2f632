"""Recipes: typed YAML that names a game, its data and how it is played; constructors' signatures are the schema."""

from __future__ import annotations

import fnmatch
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from belamy.chance import key
from belamy.errors import UserError, nearest
from belamy.schedules import Cosine, Schedule, Size, below_one, by_size, timed

ELSEWHERE = {
    "game.truncation": ": truncation is for sampling, from stylegan alone: belamy sample RUN --truncation 0.7",
    "game.classes": ": this game learns no classes; train the recipe cgan, r3gan or stylegan",
    "game.attributes": ": this game learns no attributes; train the recipe cgan",
    "data.path": ": this recipe brings its own data; leave --data out",
}
"""What is looked for in recipes that have it not, and where it is."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


Model = TypeVar("Model", bound=BaseModel)
Built = TypeVar("Built")


class Adam(_Strict):
    """Adam (Kingma and Ba, 2015), with ``decay`` as AdamW's; gradients are no longer than ``clip``."""

    rate: Schedule
    beta1: float = Field(0.0, ge=0, lt=1)
    beta2: Annotated[Schedule, AfterValidator(below_one)] = 0.99
    epsilon: float = Field(1e-8, gt=0)
    decay: float = Field(0.0, ge=0)
    clip: float | None = Field(None, gt=0)


class Average(_Strict):
    """The moving average of what ships: ``halflife`` in examples, but at most ``ramp`` of the examples seen."""

    halflife: Annotated[float, Field(ge=0)]
    ramp: Annotated[float, Field(gt=0)] = 0.1


class Judging(_Strict):
    """How a run is judged while it trains: ``metric`` on ``samples`` pictures, ``times`` times."""

    metric: str = "kid"
    features: str = "efficientnet-lite0"
    samples: Annotated[int, Field(ge=2)] = 500
    times: Annotated[int, Field(ge=0)] = 8


class Watching(_Strict):
    """How often the watchdog looks in a run (0: never), and at how many samples."""

    times: Annotated[int, Field(ge=0)] = 20
    samples: Annotated[int, Field(ge=8)] = 128


class Keeping(_Strict):
    """Checkpoints: one at least ``every`` so many examples (None: twenty in a run), the last ``limit`` kept."""

    every: Annotated[int | None, Field(gt=0)] = None
    limit: Annotated[int, Field(ge=1)] = 2


class Recipe(_Strict):
    """All that defines a run. Lengths are in examples: training examples seen, whatever the batch.

    ``examples`` of 0 stand for as many as the data asks for.
    """

    name: str
    summary: str = ""
    game: dict[str, Any]
    data: dict[str, Any]
    optimizers: dict[str, Adam]
    examples: int = Field(0, ge=0)
    batch: Size | None = None
    micro: int | None = Field(None, gt=0)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    average: Average = Average(halflife=10_000)
    judging: Judging = Judging()
    watching: Watching = Watching()
    checkpoints: Keeping = Keeping()
    patience: int = Field(8, ge=1)
    seed: int = 0

    def lasting(self, examples: int | None) -> Recipe:
        """With a length, ``examples`` where it has none of its own, and schedules that go over all of it."""
        total = self.examples or examples
        if not total:
            raise UserError(f"the recipe {self.name} does not say how long to train: --examples N")
        content = self.model_dump()
        for plan in content["optimizers"].values():
            for schedule in plan.values():
                if isinstance(schedule, dict) and schedule.get("over", 0) is None:
                    schedule["over"] = total
        return Recipe.model_validate({**content, "examples": total})

    @property
    def sized(self) -> bool:
        """Whether a schedule goes by sizes of pictures."""
        plans = (value for adam in self.optimizers.values() for value in vars(adam).values())
        return any(by_size(schedule) for schedule in (self.batch, *plans))

    def growing(self, moments: Mapping[str, int]) -> Recipe:
        """With numbers of examples for the sizes, such as "64x64", that schedules go by: their ``moments``.

        See ``belamy.schedules.timed``.
        """
        optimizers = {
            player: adam.model_copy(update={
                name: timed(f"optimizers.{player}.{name}", value, moments) for name, value in vars(adam).items()
            })
            for player, adam in self.optimizers.items()
        }  # fmt: skip
        return self.model_copy(update={"batch": timed("batch", self.batch, moments), "optimizers": optimizers})

    def dump(self) -> str:
        """The recipe as YAML."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def names(pattern: str = "*") -> list[str]:
    """The recipes that ship, or those whose names match ``pattern``, such as ``"*gan"``."""
    folder = resources.files("belamy") / "recipes"
    found = sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    return fnmatch.filter(found, pattern)


def load(name: str, settings: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe that ships as ``name``, or a YAML file of the user's, with dotted ``settings`` put over it.

    Raises UserError for an unknown recipe, an unknown key or a value of the wrong type, with the nearest right one.
    """
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not path.is_file():
            raise UserError(f"there is no recipe file {name}")
        text, stem = path.read_text(encoding="utf-8"), path.stem
    else:
        if name not in names():
            raise UserError(f"there is no recipe {name!r}{nearest(name, names())}; `belamy recipes` lists them")
        text, stem = (resources.files("belamy") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8"), name
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{name} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise UserError(f"{name} is not a recipe: it should be a mapping with game, data, optimizers, ...")
    return parse({"name": stem, **content}, settings)


def parse(content: Mapping[str, Any], settings: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe from plain data, with dotted settings such as ``{"game.gamma": 0.1}`` put over it."""
    content = _copied(content)
    for path, value in (settings or {}).items():
        place = content
        *parents, last = path.split(".")
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise UserError(f"{path}: {parent} is a single value in this recipe")
        place[last] = value
    recipe = _validated(Recipe, content, "")
    for part in ("game", "data"):
        spec = getattr(recipe, part)
        if "use" not in spec:
            raise UserError(f"{part}.use is missing: the class to build, as 'module:Class'")
        options = {name: value for name, value in spec.items() if name != "use"}
        _validated(schema(resolve(spec["use"])), options, f"{part}.")
    return recipe


def _copied(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copied(value) if isinstance(value, Mapping) else value for name, value in content.items()}


def _validated(model: type[Model], content: Mapping[str, Any], prefix: str) -> Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = error.errors()
        first = found[0]
        # In angles and brackets pydantic tells which form was meant, and that it is about a key.
        path = prefix + ".".join(str(part) for part in first["loc"] if not str(part).startswith(("<", "[")))
        if first["type"] == "extra_forbidden":
            word = str(first["loc"][-1])
            hint = ELSEWHERE.get(path) or nearest(word, _fields(model, first["loc"][:-1]))
            raise UserError(f"unknown key {path}{hint}") from None
        if first["type"] == "missing":
            raise UserError(f"{path} is missing") from None
        if first["type"] == "too_short":
            raise UserError(f"{path} is empty: it should have one entry at least") from None
        given = str(first["input"])
        message = first["msg"].removeprefix("Value error, ").lower()
        raise UserError(f"{path}: {message}, not {given[:60]!r}") from None


def _fields(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """The names that a model knows at a place of it."""
    for part in location:
        field = model.model_fields.get(str(part))
        kind = field.annotation if field else None
        if inspect.isclass(kind) and issubclass(kind, BaseModel):
            model = kind
    if location and location[0] == "optimizers":
        model = Cosine if "<cosine>" in location else Adam
    return list(model.model_fields)


def schema(build: type) -> type[BaseModel]:
    """The signature of a constructor as a pydantic model; what has no default may come from the data's facts."""
    fields: dict[str, Any] = {}
    for name, parameter in _parameters(build).items():
        default = None if parameter.default is inspect.Parameter.empty else parameter.default
        fields[name] = (parameter.annotation, Field(default, validate_default=False))
    return create_model(build.__name__, __config__=ConfigDict(extra="forbid", protected_namespaces=()), **fields)


def resolve(use: str) -> type:
    """The class that ``module:Class`` or ``./file.py:Class`` names."""
    module_name, _, class_name = use.rpartition(":")
    if not module_name:
        raise UserError(f"{use!r} should read 'module:Class' or './file.py:Class'")
    if module_name.endswith(".py"):
        module = _file_module(Path(module_name))
    else:
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            raise UserError(f"{use!r}: {error}") from None
    found = getattr(module, class_name, None)
    if not inspect.isclass(found):
        classes = [name for name, value in vars(module).items() if inspect.isclass(value)]
        raise UserError(f"{module_name} has no class {class_name!r}{nearest(class_name, classes)}")
    return found


def _file_module(path: Path) -> Any:
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    name = f"belamy_own_{path.stem}_{key(str(path.resolve())) & 0xFFFFFF:x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def bind(spec: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """``spec`` with the parameters that it leaves out taken from ``facts``, where these know them.

    Raises UserError where a parameter without a default is in neither.
    """
    kind = resolve(spec["use"])
    bound = {name: value for name, value in spec.items() if value is not None}
    for name, parameter in _parameters(kind).items():
        if name not in bound and facts.get(name) is not None:
            bound[name] = facts[name]
        elif name not in bound and parameter.default is inspect.Parameter.empty:
            raise UserError(f"{kind.__name__} needs {name}, which the data does not tell: --set game.{name}=...")
    return bound


def build(spec: Mapping[str, Any], base: type[Built]) -> Built:
    """The object that ``spec`` describes, a ``base``: nothing else is ever called.

    Raises UserError where it is of another kind, or does not take the options that it is given.
    """
    kind = resolve(spec["use"])
    if not issubclass(kind, base):
        raise UserError(f"{spec['use']} is not a {base.__name__}")
    try:
        return kind(**{name: value for name, value in spec.items() if name != "use"})
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as error:  # torch's own are of the last kind
        raise UserError(f"{kind.__name__}: {error}") from error


def accepts(spec: Mapping[str, Any], name: str) -> bool:
    """Whether the class that ``spec`` names has a parameter ``name``."""
    return name in _parameters(resolve(spec["use"]))


def _parameters(kind: type) -> dict[str, inspect.Parameter]:
    """What ``kind`` is built from; those of the class above it too, where it hands ``**others`` up to that."""
    found: dict[str, inspect.Parameter] = {}
    for owner in kind.__mro__:
        hints = get_type_hints(inspect.getattr_static(owner, "__init__"), include_extras=True)
        own = list(inspect.signature(owner).parameters.values())
        named = [one for one in own if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]
        found = {one.name: one.replace(annotation=hints.get(one.name, Any)) for one in named} | found
        if len(named) == len(own):
            break
    return found
