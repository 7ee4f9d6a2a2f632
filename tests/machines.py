"""Machines of a kind: network namespaces of this one, with addresses of their own, joined by a cable."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

NAMES = (f"belamy-{os.getpid()}-a", f"belamy-{os.getpid()}-b")
ADDRESSES = ("10.213.77.1", "10.213.77.2")


def _run(*words: str) -> bool:
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def possible() -> bool:
    """Whether this user may make them here."""
    if shutil.which("ip") is None or not _run("ip", "netns", "add", NAMES[0]):
        return False
    return _run("ip", "netns", "delete", NAMES[0])


@contextmanager
def two() -> Iterator[list[Sequence[str]]]:
    """For each of two machines the words that run a command on it."""
    made = [["ip", "netns", "add", name] for name in NAMES]
    ends = [["cable", "netns", name] for name in NAMES]
    made.append(["ip", "link", "add", *ends[0], "type", "veth", "peer", "name", *ends[1]])
    for name, address in zip(NAMES, ADDRESSES, strict=True):
        within = ["ip", "netns", "exec", name, "ip"]
        made.append([*within, "address", "add", f"{address}/24", "dev", "cable"])
        made += [[*within, "link", "set", device, "up"] for device in ("lo", "cable")]
    try:
        for words in made:
            subprocess.run(words, check=True, capture_output=True)
        yield [["ip", "netns", "exec", name] for name in NAMES]
    finally:
        for name in NAMES:
            _run("ip", "netns", "delete", name)


def started(words: Sequence[str], within: Sequence[str]) -> subprocess.Popen[str]:
    """A command on one of the machines, with a thread for each process."""
    return subprocess.Popen(
        [*within, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
