"""Rows of a table to disk, as many as are asked for, in bounded memory; and tables that are augmented."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.progress import track

from belamy.cli.display import console
from belamy.errors import UserError, nearest
from belamy.hardware import choose_device
from belamy.ops.processes import dealing, joined, leads
from belamy.run import load
from belamy.series.decoding import partial_table
from belamy.storage import whole_file
from belamy.tables.reading import read_table
from belamy.tables.writing import TableWriter
from belamy.tabular import TableGAN


@joined()
@dealing("one")
def write_rows(source: str, n: int, seed: int, where: Sequence[str], out: Path, device: str, quiet: bool) -> int:
    """Writes ``n`` rows to a .parquet, .csv or the like; returns how many.

    Where torchrun started several processes, all make them and one writes.
    """
    model = load(source, str(choose_device(device)))
    if model.codec.key != "row":
        raise UserError(f"{out} is a table, and this model makes {model.codec.plural}: --where and --out x{out.suffix} "
                        "are for models of tables")  # fmt: skip
    writer = TableWriter(out)
    model.codec.asked(where)
    steps, parts = -(-n // model.codec.chunk), model.tables(n, seed, where)
    if not leads():
        deque(parts, 0)
        return 0
    with writer:
        for part in track(parts, "sampling", total=steps, console=console, disable=quiet or not console.is_terminal):
            writer.write(part)
    return n


def write_series(
    source: str, n: int, seed: int, name: str | None, given: Path | None, out: Path, device: str
) -> int:
    """Writes ``n`` series, or so many for each of those in the table ``given``, to a table or a .npz; returns how many.

    A table has a row for each step; a .npz holds ``x`` [N, T, C], ``lengths`` and, where there are classes, ``y``.
    """
    model = load(source, str(choose_device(device)))
    if model.codec.key != "series":
        raise UserError(f"--given and tables of series are for models of series; this one makes {model.codec.plural}")
    writer = None if out.suffix == ".npz" else TableWriter(out)
    if given is None:
        found = model.sample(n, seed=seed, classes=name)
    else:
        found = model.around(partial_table(read_table(given), model.facts), n, seed=seed)
    assert found.series is not None
    if writer is not None:
        with writer:
            writer.write(found.table)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        kinds = {} if found.labels is None else {"y": found.labels}
        with whole_file(out) as temporary, temporary.open("wb") as file:
            np.savez(file, x=found.series.values, lengths=found.series.lengths, **kinds)  # type: ignore[arg-type]
    return len(found.series)


def write_augmented(
    data: str, target: str, to: str, out: Path, seed: int, examples: int | None, settings: dict[str, object],
    device: str,
) -> tuple[int, int]:  # fmt: skip
    """Writes the table at ``data`` with generated rows after it; returns how many there were, and came."""
    frame, writer = read_table(data), TableWriter(out)
    if target not in frame.columns:
        raise UserError(f"{data} has no column {target!r}{nearest(target, list(frame.columns))}")
    labelled = frame.dropna(subset=[target])
    generator = TableGAN(random_state=seed, examples=examples, settings=settings, device=device)
    features, labels = generator.augment(labelled.drop(columns=target), labelled[target], to)
    grown = features.assign(**{target: labels})[list(frame.columns)].astype(labelled.dtypes.to_dict())
    with writer:
        writer.write(grown)
    return len(labelled), len(grown) - len(labelled)
