"""Samples of an exported model: numpy draws what it is made from, as belamy does, and onnxruntime makes it.

    python model.py -n 16 --seed 0 --out samples.npz
    python model.py --input source=pictures.npy --out answers.npz

It needs model.onnx and model.json beside it, numpy and onnxruntime, and nothing else. Numbers are keyed by the seed and
by the sample's own number (SplitMix64: Steele et al., 2014), so a seed means the same pictures however many are made.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN, FIRST, SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
CHUNK = 16


def key(*parts: object) -> np.uint64:
    """A 64-bit key of any parts."""
    return np.uint64(int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "little"))


def mix(bits: np.ndarray) -> np.ndarray:
    bits = (bits ^ (bits >> np.uint64(30))) * FIRST
    bits = (bits ^ (bits >> np.uint64(27))) * SECOND
    mixed: np.ndarray = bits ^ (bits >> np.uint64(31))
    return mixed


def bits(seed: np.uint64, rows: np.ndarray, draw: int, shape: list[int]) -> np.ndarray:
    """The ``draw``-th draw, from 1 on, of each of ``rows``: uint64 [rows, *shape]."""
    with np.errstate(over="ignore"):
        streams = mix(mix(rows.astype(np.uint64) * GOLDEN + seed) + seed)
        streams = mix(streams + np.uint64(draw) * GOLDEN)
        place = np.arange(1, math.prod(shape) + 1, dtype=np.uint64) * GOLDEN
        found: np.ndarray = mix(streams[:, None] + place)
    return found.reshape(len(rows), *shape)


def uniform(drawn: np.ndarray) -> np.ndarray:
    return (drawn >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def normal(drawn: np.ndarray) -> np.ndarray:
    """By Box and Muller (1958)."""
    radius = np.sqrt(-2 * np.log(((drawn >> np.uint64(32)).astype(np.float64) + 1) * 2.0**-32))
    angle = (drawn & np.uint64(0xFFFFFFFF)).astype(np.float64) * (2 * math.pi * 2.0**-32)
    values: np.ndarray = (radius * np.cos(angle)).astype(np.float32)
    return values


def grain(height: int, width: int) -> np.ndarray:
    """Noise [1, 1, H, W] in [-1, 1] that belongs to the place of a pixel, so that a picture always gets the same."""
    drawn = bits(key("grain"), np.arange(height), 1, [width])
    values: np.ndarray = (drawn >> np.uint64(56)).astype(np.float32) / np.float32(127.5) - 1
    return values[None, None]


def inputs(about: dict[str, Any], n: int, seed: int, start: int = 0) -> dict[str, np.ndarray]:
    """What the samples ``start`` to ``start + n - 1`` of ``seed`` are made from; classes in the data's proportions."""
    rows, found = np.arange(start, start + n), {}
    for name, told in about["inputs"].items():
        if "draw" in told:
            drawn = bits(key("sample", seed), rows, told["draw"], told["shape"])
            values = normal(drawn) if told["distribution"] == "normal" else uniform(drawn)
            found[name] = (values * np.float32(told["scale"]) + np.float32(told["offset"])).astype(np.float32)
        elif "weights" in told:
            edges = np.cumsum(np.asarray(told["weights"], np.float64))
            place = uniform(bits(key("class", seed), rows, 1, [])).astype(np.float64)
            found[name] = np.searchsorted(edges / edges[-1], place, side="right").clip(max=len(edges) - 1)
        elif "default" in told:
            value = np.asarray(told["default"], told["dtype"])
            found[name] = np.repeat(value[None], n, 0)
    return found


def asked(about: dict[str, Any], options: argparse.Namespace) -> dict[str, np.ndarray]:
    """What the command line asks for. Raises ValueError for what the model does not take."""
    files = dict(one.partition("=")[::2] for one in options.input)
    if strange := sorted(set(files) - set(about["inputs"])):
        raise ValueError(f"the model takes no {strange[0]}: it takes {', '.join(about['inputs'])}")
    own = {name: np.load(file, allow_pickle=False) for name, file in files.items()}
    given = inputs(about, len(next(iter(own.values()))) if own else options.n, options.seed) | own
    for name, told in about["inputs"].items():
        if name not in own and told.get("like") in own:
            count, _, *sides = own[told["like"]].shape
            given[name] = grain(*sides).repeat(count, 0)
    if options.kind is not None:
        names = about["inputs"].get("class", {}).get("names", [])
        numbers = {str(number): number for number in range(len(names))} | {name: at for at, name in enumerate(names)}
        if options.kind not in numbers:
            raise ValueError(f"there is no class {options.kind}: there are {', '.join(names) or 'none'}")
        given["class"][:] = numbers[options.kind]
    if missing := [name for name in about["inputs"] if name not in given]:
        raise ValueError(f"the model asks for {', '.join(missing)}: give --input {missing[0]}=FILE.npy")
    return given


def make(session: Any, given: dict[str, np.ndarray]) -> np.ndarray:
    """The model's output for ``given``, some rows at a time."""
    count = len(next(iter(given.values())))
    parts = [{name: value[first : first + CHUNK] for name, value in given.items()} for first in range(0, count, CHUNK)]
    return np.concatenate([session.run(None, part)[0] for part in parts])


def pictures(values: np.ndarray) -> np.ndarray:
    """[N, C, H, W] in [-1, 1] as uint8 [N, H, W, C]."""
    return np.floor((values.clip(-1, 1) + 1) * 127.5 + 0.5).astype(np.uint8).transpose(0, 2, 3, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--class", dest="kind", help="a name or a number of a class, for all samples")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=FILE.npy", help="an input of your own")
    parser.add_argument("--model", type=Path, default=Path(__file__).with_suffix(".onnx"))
    parser.add_argument("--out", type=Path, default=Path("samples.npz"))
    options = parser.parse_args()
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    try:
        about = json.loads(options.model.with_suffix(".json").read_text(encoding="utf-8"))
        given = asked(about, options)
        made = make(onnxruntime.InferenceSession(str(options.model)), given)
    except (OSError, ValueError, onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument) as error:
        parser.error(str(error))
    name = about["output"]["name"]
    saved: dict[str, Any] = {"images": pictures(made)} if name == "image" else {name: made}
    if "class" in given:
        saved["labels"] = given["class"]
    np.savez_compressed(options.out, **saved)
    print(f"{len(made)} samples in {options.out}")


if __name__ == "__main__":
    main()
