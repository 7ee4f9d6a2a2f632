"""Work on several processes that outlives the death of any of them: torchrun, watched and started again."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from belamy.errors import UserError
from belamy.run import Run

SIOCGIFADDR = 0x8915
"""Of ioctl(2): the address of an interface."""

MEETING = 600.0
"""Seconds to wait for the machine that hosts the meeting."""

ENDED = (2, 75, 130)
"""Exits that no relaunch mends: a mistake of the user's, preemption, Ctrl-C."""


@dataclass(frozen=True)
class Machines:
    """How many processes on each of how many machines, and where these meet.

    ``nodes`` is a number, or "1:4" for as many as there are; ``rendezvous`` is host:port of one of them, the same for
    all, and ``id`` a name that they share. One machine needs neither.
    """

    processes: int
    nodes: str = "1"
    rendezvous: str | None = None
    id: str | None = None

    @property
    def between(self) -> tuple[int, int]:
        fewest, _, most = self.nodes.partition(":")
        if not fewest.isdigit() or not (most or fewest).isdigit() or not 1 <= int(fewest) <= int(most or fewest):
            raise UserError(f"--nodes {self.nodes} should be a number, or fewest:most such as 1:4")
        return int(fewest), int(most or fewest)


def launch(
    words: Sequence[str], machines: Machines, *, fewest: int | None = None, restarts: int = 3,
    say: Callable[[str], None] = print,
) -> int:
    """Runs ``belamy`` with ``words`` on ``machines`` until it ends; returns its exit code.

    Where a process dies, the others are stopped, and all begin again at the run's last checkpoint: ``restarts`` times
    without one more checkpoint, at most. From the second such time on there are half as many processes on a machine,
    ``fewest`` at least, for what died may be a device. Raises UserError for words that cannot be launched.
    """  # fmt: skip
    words, run = _repeatable(words)
    if machines.between[1] > 1 and machines.rendezvous is None:
        raise UserError("several machines want --rendezvous HOST:PORT, the same for all")
    count, vain, reached = machines.processes, 0, _reached(run)
    name = machines.id or secrets.token_hex(8)
    attempt = 0
    while True:
        codes = _attempt(words, machines, count, f"{name}-{attempt}")
        ended = next((code for code in codes if code in ENDED), None)
        if not codes or ended is not None:
            return ended or 0
        now = _reached(run)
        vain, reached, attempt = 0 if now > reached else vain + 1, now, attempt + 1
        if vain > restarts:
            goal = "end" if run is None else "next checkpoint"
            say(f"gave up: {vain} times in a row a process died before the {goal}")
            return 1
        if vain > 1 and fewest is not None:
            count = max(fewest, count // 2)
        place = "" if run is None else f" at {max(0, now):,} examples"
        say(f"a process ended with {_named(codes[0])}: {count} begin again{place}")


def _repeatable(words: Sequence[str]) -> tuple[list[str], Path | None]:
    """The command with what makes it go on where it was, and the folder of the run that it trains."""
    if words and words[0] in ("sample", "evaluate"):
        return list(words), None
    if not words or words[0] != "train":
        raise UserError("launch is for train, sample and evaluate: "
                        "belamy launch --nproc 2 -- train RECIPE --data DIR --out RUN")
    found = {name: _value(words, name) for name in ("--out", "--resume")}
    if found["--resume"] not in (None, "auto"):
        return list(words), Path(str(found["--resume"]))
    if found["--out"] is None:
        raise UserError("launch wants --out RUN, so that a relaunch finds what was kept")
    return [*words, *([] if found["--resume"] else ["--resume", "auto"])], Path(found["--out"])


def _value(words: Sequence[str], option: str) -> str | None:
    for place, word in enumerate(words):
        if word == option and place + 1 < len(words):
            return words[place + 1]
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
    return None


def _reached(run: Path | None) -> int:
    """Examples at the last checkpoint; -1 before the first."""
    saved = Run(run).saved() if run is not None and run.is_dir() else []
    return int(saved[-1].name) if saved else -1


def _named(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit {code}"


@dataclass(frozen=True)
class _Way:
    """This machine's ``address`` on the way to where machines meet, the ``interface`` that has it, where that is told,
    and whether it ``hosts`` the meeting.

    A machine's own name often leads to its loopback alone, where the others cannot find it.
    """

    address: str = "127.0.0.1"
    interface: str | None = None
    hosts: bool = True

    @classmethod
    def to(cls, rendezvous: str) -> _Way:
        host, _, port = rendezvous.rpartition(":")
        try:
            family, _, _, _, there = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, socket.SOCK_DGRAM) as one:
                one.connect(there)  # nothing is sent
                address = one.getsockname()[0]
            with socket.socket(family, socket.SOCK_STREAM) as one:
                hosts = address == there[0] and one.connect_ex(there) != 0  # another may host it here already
        except (OSError, ValueError) as error:
            known = f"--rendezvous {rendezvous} should be HOST:PORT of a machine within reach"
            raise UserError(f"{known}: {error}") from None
        return cls(address, next((name for _, name in socket.if_nameindex() if _address(name) == address), None), hosts)


def _address(interface: str) -> str | None:
    """The IPv4 address of an interface, where Linux tells it."""
    if sys.platform != "linux":
        return None
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            told = fcntl.ioctl(one, SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
        except OSError:
            return None
    return socket.inet_ntoa(told[20:24])


def _attempt(words: Sequence[str], machines: Machines, count: int, name: str) -> list[int]:
    """The exit codes of processes that failed, the first to fail first; none where all went well."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous import RendezvousConnectionError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    class Logs(DefaultLogsSpecs):
        begun = False

        def reify(self, envs: Any) -> Any:
            self.begun = True  # processes are about to start
            return super().reify(envs)

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    low, high = machines.between
    deadline = time.monotonic() + MEETING
    while True:
        way = _Way() if machines.rendezvous is None else _Way.to(machines.rendezvous)
        if way.interface is not None:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", way.interface)
        logs = Logs()
        config = LaunchConfig(
            low, high, count, run_id=name, rdzv_backend="c10d", rdzv_endpoint=machines.rendezvous or "localhost:0",
            max_restarts=0, logs_specs=logs, monitor_interval=0.1, shutdown_timeout=300, local_addr=way.address,
            rdzv_configs={"is_host": way.hosts},
        )  # fmt: skip
        try:
            elastic_launch(config, sys.executable)("-m", "belamy.cli.main", *words)
        except ChildFailedError as error:
            failures = sorted(error.failures.values(), key=lambda failure: failure.timestamp)
            return [failure.exitcode for failure in failures]
        except SignalException as stopped:
            return [130 if stopped.sigval == signal.SIGINT else 75]
        except RendezvousConnectionError:
            if logs.begun:  # the machine that hosts has left: it begins again, or is gone
                return [1]
            if time.monotonic() > deadline:
                raise UserError(f"nobody hosts the meeting at {machines.rendezvous}") from None
            time.sleep(0.5)  # it is between two attempts: this one has not begun
            continue
        return []
