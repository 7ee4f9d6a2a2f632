"""Files and folders that are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from belamy import storage
from belamy.errors import UserError
from belamy.storage import mend, read_json, read_tensors, whole_folder, write_json, write_tensors
from tiny import contents, processes

FULL = "No space left on device (os error 28)"


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_tensors_come_back_as_they_were(tmp_path: Path) -> None:
    tensors = {
        "scalar": torch.tensor(3.5), "half": torch.randn(2, 3).bfloat16(), "count": torch.arange(5),
        "strided": torch.randn(4, 6).t(), "last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
    }  # fmt: skip
    write_tensors(tmp_path / "a.safetensors", tensors)
    found = read_tensors(tmp_path / "a.safetensors")
    assert found.keys() == tensors.keys()
    for name, value in tensors.items():
        assert found[name].dtype == value.dtype and torch.equal(found[name], value)
    assert files(tmp_path) == ["a.safetensors"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SafetensorError(FULL), RuntimeError(FULL)])
def test_a_full_disk_keeps_the_old_file(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "state.safetensors"
    write_tensors(place, {"x": torch.ones(3)})

    def fail(tensors: object, path: Path, about: object) -> None:
        Path(path).write_bytes(b"half")
        raise error

    monkeypatch.setattr(storage, "save_file", fail)
    with pytest.raises(OSError, match=r"could not be written .*No space left.*is kept"):
        write_tensors(place, {"x": torch.zeros(3)})
    assert files(tmp_path) == ["state.safetensors"]
    assert torch.equal(read_tensors(place)["x"], torch.ones(3))


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SafetensorError(FULL), RuntimeError(FULL)])
def test_a_full_disk_keeps_the_old_folder(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "checkpoint"
    with whole_folder(place) as folder:
        write_json(folder / "a.json", 1)
    with pytest.raises(OSError, match="is kept"), whole_folder(place) as folder:
        write_json(folder / "a.json", 2)
        raise error
    assert files(tmp_path) == ["checkpoint"] and read_json(place / "a.json") == 1


def test_a_failing_rename_keeps_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "checkpoint"
    with whole_folder(place) as folder:
        (folder / "a").write_text("old")
    replace = Path.replace

    def fail(self: Path, target: Path) -> Path:
        if str(os.getpid()) in self.name:
            raise OSError(5, "Input/output error")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="is kept"), whole_folder(place) as folder:
        (folder / "a").write_text("new")
    assert files(tmp_path) == ["checkpoint"] and (place / "a").read_text() == "old"


def die_at(place: Path, count: int) -> None:
    """Saves over ``place``, and ends without a word before the rename, unlink or flush of that number."""
    left = [count]

    def deadly(kind: type | object, name: str) -> None:
        real: Callable[..., object] = getattr(kind, name)

        def call(*given: object, **options: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                os._exit(9)
            return real(*given, **options)

        setattr(kind, name, call)

    deadly(Path, "replace")
    deadly(storage, "flush")
    deadly(storage.shutil, "rmtree")
    deadly(Path, "unlink")
    save(place, 2)


def save(place: Path, value: int) -> None:
    with whole_folder(place) as folder:
        write_tensors(folder / "state.safetensors", {"x": torch.full((3,), value)})
        write_json(folder / "state.json", value)


def test_a_kill_at_any_point_loses_nothing(tmp_path: Path) -> None:
    ends, found = [], []
    for count in range(30):
        place = tmp_path / str(count) / "checkpoint"
        place.parent.mkdir()
        save(place, 1)
        process = processes.Process(target=die_at, args=(place, count))
        process.start()
        process.join()
        ends.append(process.exitcode)
        mend(place.parent)
        assert files(place.parent) == ["checkpoint"]
        found.append(read_json(place / "state.json"))
        assert torch.equal(read_tensors(place / "state.safetensors")["x"], torch.full((3,), found[-1]))
        if ends[-1] == 0:
            break
    assert ends == [9] * (len(ends) - 1) + [0] and len(ends) > 10
    assert found == sorted(found) and set(found) == {1, 2}


def test_mending_leaves_what_is_not_of_a_folder_being_written(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".hidden.name").mkdir()
    save(tmp_path / "checkpoint", 1)
    before = contents(tmp_path)
    mend(tmp_path)
    assert contents(tmp_path) == before and files(tmp_path) == [".git", ".hidden.name", "checkpoint"]


@pytest.mark.parametrize("keep", [0, 4, 20, 100, -1])
def test_a_truncated_file_is_called_damaged(keep: int, tmp_path: Path) -> None:
    place = tmp_path / "model.safetensors"
    write_tensors(place, {"weight": torch.randn(100)})
    place.write_bytes(place.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"model\.safetensors is damaged"):
        read_tensors(place)


def test_what_is_missing_or_no_json_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_tensors(tmp_path / "none.safetensors")
    with pytest.raises(UserError, match="No such file"):
        read_json(tmp_path / "none.json")
    (tmp_path / "half.json").write_text('{"a": 1')
    with pytest.raises(UserError, match=r"half\.json is damaged"):
        read_json(tmp_path / "half.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"bytes\.json is damaged"):
        read_json(tmp_path / "bytes.json")
