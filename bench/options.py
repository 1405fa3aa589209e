"""How much is measured: a little by default, more with ``--long``."""

from dataclasses import dataclass
from statistics import median
from typing import Any

Sample = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """Chosen on the command line."""

    is_long: bool = False
    peers: tuple[str, ...] = ()
    sockets: int | None = None

    @property
    def is_standard(self) -> bool:
        """False when something else is measured than what the tables say."""
        return not self.peers and self.sockets is None

    @property
    def repeats(self) -> int:
        """How often each pair is measured, in turns."""
        return 5 if self.is_long else 3

    @property
    def seconds(self) -> float:
        """How long a paced run takes."""
        return 10.0 if self.is_long else 3.0


def middle(samples: list[Sample], name: str) -> float:
    """The median of that figure; NaN where it was not measured."""
    values = [float(sample[name]) for sample in samples if name in sample]
    return median(values) if values else float("nan")


def middle_ratio(samples: list[Sample], base: list[Sample], name: str) -> float:
    """The median of the ratios of runs that followed each other, so that what the machine does meanwhile falls out."""
    ratios = [one[name] / other[name] for one, other in zip(samples, base, strict=False) if other[name]]
    return median(ratios) if ratios else float("nan")
