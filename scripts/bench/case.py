"""What a benchmark is made of: a Case has Sides that do the same work, and Ratios between them."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

TFOS, PEER, LIMIT = "tfos", "peer", "limit"


class DidNotRun(Exception):
    """A side could not be measured. Its text is shown in the report as the reason."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """How much is measured.

    rows   small or full: which of a case's sizes
    runs   processes of each side, one after another, each with one cold figure
    warm   figures that a process takes after its first, without ending
    """

    rows: str = "full"
    runs: int = 3
    warm: int = 3


@dataclasses.dataclass(frozen=True)
class Sample:
    """What one process measured, in its case's unit.

    cold   the first pass; None: the side has no such figure
    warm   the passes after it, in their order
    notes  what belongs in the record beside it: {"versions": {...}} and whatever explains it
    """

    cold: float | None
    warm: list[float]
    notes: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Side:
    """One way to do a case's work.

    what  in words, for the report
    run   called with an empty folder of its own and the Settings; raises DidNotRun
    """

    name: str
    role: str
    what: str
    run: Callable[[Path, Settings], Sample]


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Median of `of` by median of `to`; each is (side, "cold" or "warm").

    bar   what the ratio must at least be, and goal what it should be; None: neither
    """

    of: tuple[str, str]
    to: tuple[str, str]
    bar: float | None = None
    goal: float | None = None


@dataclasses.dataclass(frozen=True)
class Case:
    """row: what one row is. counted: what is counted. clock: from when to when, cold and warm.
    unit: of every figure; more is better, except in seconds ("s")."""

    name: str
    title: str
    row: str
    counted: str
    clock: str
    unit: str
    sides: tuple[Side, ...]
    ratios: tuple[Ratio, ...]
