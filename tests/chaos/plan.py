"""From a seed to accidents: which step is hit, how often, by what and when. The same seed gives the same plan everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from .steps import CYCLE, Step

KINDS = ("ansible", "worker", "module", "backend", "restart", "stop", "cut", "signal")
STOPPED = ("tree", "ansible", "worker", "module")
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


@dataclass(frozen=True)
class Kill:
    """One accident: ``delay`` seconds after the command began, on a machine of pace 1.

    ``detail``: who is stopped, or which signal is sent. ``pause``: how long a stop or a cut lasts.
    """

    kind: str
    delay: float
    detail: str = ""
    pause: float = 0.0

    def __str__(self) -> str:
        pause = f"+{self.pause:.1f}" if self.pause else ""
        return f"{self.kind}{f'({self.detail})' if self.detail else ''}@{self.delay:.2f}{pause}"


@dataclass(frozen=True)
class Round:
    """One step, and the accidents that its first commands meet, one each."""

    number: int
    installation: str
    place: int
    kills: tuple[Kill, ...]

    @property
    def step(self) -> Step:
        """The command."""
        return CYCLE[self.place]


def round_of(seed: int, installation: str, number: int) -> Round:
    """The plan of one round (from 1), whatever ran before it: a round can be repeated alone.

    The steps take turns. So do the kinds of the first accident, in an order that is shuffled for each turn.
    """
    turn, place = divmod(number - 1, len(KINDS))
    kinds = Random(f"{seed} {installation} turn {turn}").sample(KINDS, len(KINDS))
    dice = Random(f"{seed} {installation} round {number}")
    where = (number - 1) % len(CYCLE)
    more = dice.choices((0, 1, 2), (6, 3, 1))[0]
    kills = [kill_of(dice, kind, CYCLE[where]) for kind in (kinds[place], *dice.choices(KINDS, k=more))]
    return Round(number, installation, where, tuple(kills))


def kill_of(dice: Random, kind: str, step: Step) -> Kill:
    delay = round(dice.uniform(0.2, step.seconds), 2)
    pause = round(dice.uniform(0.2, 3.0), 1)
    if kind == "stop":
        return Kill(kind, delay, dice.choice(STOPPED), pause)
    if kind == "signal":
        return Kill(kind, delay, dice.choice(SIGNALS))
    if kind == "cut":
        return Kill(kind, delay, pause=dice.choice((0.0, pause)))
    return Kill(kind, delay)
