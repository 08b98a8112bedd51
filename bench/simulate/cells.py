"""What a simulation finds: figures per cell, each told, compared with what is expected, or held to the promise."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from scipy.special import bdtrc

# A cell fails where chance explains its misses with at most this probability; there are about a hundred cells.
_CHANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a cell.

    expected, within: what it should be and how far it may be off (a difference, or a share where `is_relative`);
    where `better` is "more" or "less", only the other side counts as off, where it is "both" neither.
    count, of, most: a frequency that must not exceed `most`.
    """

    name: str
    value: float
    unit: str = ""
    expected: float | None = None
    within: float = 0.0
    is_relative: bool = False
    better: str = ""
    count: int | None = None
    of: int = 0
    most: float | None = None

    @property
    def is_kept(self) -> bool | None:
        """None where nothing is expected."""
        if self.most is not None and self.count is not None:
            # P(Bin(of, most) ≥ count)
            return self.count == 0 or float(bdtrc(self.count - 1, self.of, self.most)) > _CHANCE
        if self.expected is None:
            return None
        off = self.value - self.expected
        if self.better == "both":
            return None
        if (self.better == "more" and off > 0) or (self.better == "less" and off < 0):
            return True
        return abs(off) <= self.within * (self.expected if self.is_relative else 1)


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of a topic's table."""

    topic: str
    name: str
    worlds: int
    figures: list[Figure] = field(default_factory=list)

    def lines(self) -> Iterator[dict[str, Any]]:
        for figure in self.figures:
            yield (
                {"topic": self.topic, "cell": self.name, "worlds": self.worlds}
                | asdict(figure)
                | {"is_kept": figure.is_kept}
            )

    @property
    def failures(self) -> list[Figure]:
        return [figure for figure in self.figures if figure.is_kept is False]


def frequency(name: str, count: int, of: int, *, most: float | None = None, expected: float | None = None) -> Figure:
    """A frequency in percent; with `most` it is held to it."""
    return Figure(name, 100 * count / of, "%", expected=expected, within=100.0, count=int(count), of=of, most=most)
