"""Numbers onto positions of a chart, linear or logarithmic, and the round numbers to write beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Numbers ``low..high`` onto positions ``start..end``."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def inside(self, value: float) -> float:
        """The position of ``value``, or of the nearer end where it lies outside."""
        return self(min(max(value, self.low), self.high))


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten) from ``low`` to ``high``, about so many."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((m * power for m in (1, 2, 5, 10)), key=lambda s: abs(math.log(s / rough)))
    # A hair of room: a run of 99,968 examples still ends at 100k.
    return [round(k * step, 12) for k in range(math.ceil(low / step - 0.02), math.floor(high / step + 0.02) + 1)]


def decades(low: float, high: float, most: int = 6) -> list[float]:
    """The same on a logarithmic scale: 1, 2, 5, then powers of ten, then every second, third... power."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        found = [m * 10.0**p for p in powers for m in digits if low <= m * 10.0**p <= high * (1 + 1e-9)]
        if len(found) <= most:
            return found
    return found[:: math.ceil(len(found) / most)]
