"""Where the forward SELECT and the second opinion disagree, and how much was looked at: figures and sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..opinion.choice import chance_of_escape
from ..opinion.fates import Carried, Fate, Merged, Refused
from ..words import escape, number
from .findings import shown

NAMED = 20  # disagreements that are named
ONE_IN = 1000  # how large a fault is of which the summary says how it might escape


class Said(NamedTuple):
    """What the forward SELECT says of a row: why it is refused (SQLSTATE, column), what it is merged into, or its values.

    ``stored``: whether the Spanish table holds just that.
    """

    refused: tuple[str, str] | None
    merged: str | None
    values: Mapping[str, str | None]
    stored: bool = True

    @property
    def carried(self) -> bool:
        """Whether the row goes in."""
        return self.refused is None and self.merged is None


class Disagreement(NamedTuple):
    """``place``: the column in question, or what of the row as a whole; both sides in words."""

    table: str
    clave: str
    place: str
    select: str
    opinion: str

    @property
    def line(self) -> str:
        """As the operator reads it."""
        return escape(
            f"  {self.table} {self.clave}: {self.place}: el SELECT dice {self.select}, la segunda opinión {self.opinion}"
        )


@dataclass
class Opinion:
    """What the second opinion looked at in one legacy table: ``rows`` in all, ``judged`` of them, ``at_random`` chance named.

    ``unforeseen``: rows that the SELECT would carry and PostgreSQL alone refused. ``count``: disagreements, ``examples`` some.
    """

    table: str
    rows: int
    judged: int
    at_random: int
    unforeseen: int = 0
    count: int = 0
    examples: list[Disagreement] = field(default_factory=list)

    def add(self, found: Iterable[Disagreement]) -> None:
        """Count disagreements, and keep the first."""
        for one in found:
            self.count += 1
            if len(self.examples) < NAMED:
                self.examples.append(one)

    @property
    def whole(self) -> bool:
        """Whether every row was judged."""
        return self.judged == self.rows

    @property
    def escape(self) -> float:
        """How likely a fault in one row of a thousand, if it is at no edge, is in none of the rows at random."""
        return 0.0 if self.whole else chance_of_escape(self.rows, self.at_random, max(1, self.rows // ONE_IN))


def disagreements(table: str, clave: str, fate: Fate | None, said: Said | None) -> Iterator[Disagreement]:
    """Yield where the two differ; None is a row of which nobody says anything."""
    if isinstance(fate, Carried) and said is not None and said.carried:
        if said.values == fate.values:  # as nearly always
            return
        for name in sorted({*fate.values, *said.values}):
            theirs, ours = (shown(v[name]) if name in v else "que no se lleva" for v in (said.values, fate.values))
            if name not in said.values or name not in fate.values or said.values[name] != fate.values[name]:
                yield Disagreement(table, clave, name, theirs, ours)
    elif isinstance(fate, Refused) and said is not None and said.refused is not None:
        if not any(_names(said.refused, reason) for reason in fate.reasons):
            reasons = " o ".join(f"{state} {column}" for state, column in sorted(fate.reasons))
            yield Disagreement(table, clave, "motivo del rechazo", " ".join(said.refused), reasons)
    elif isinstance(fate, Merged) and said is not None and said.merged is not None:
        if said.merged != fate.into:
            yield Disagreement(table, clave, "se fusiona", f"en {said.merged}", f"en {fate.into}")
    elif fate is not None or said is not None:
        yield Disagreement(table, clave, "la fila", _select(said), _fate(fate))


def _names(said: tuple[str, str], reason: tuple[str, str]) -> bool:
    """Whether the SELECT's reason is this one: of several columns from which a value may come it names those to correct."""
    return said[0] == reason[0] and set(said[1].split(", ")) <= set(reason[1].split(", "))


def _select(said: Said | None) -> str:
    if said is None:
        return "que no es de nadie"
    if said.merged is not None:
        return f"que se fusiona en {said.merged}"
    return "que pasa" if said.refused is None else f"que se rechaza ({' '.join(said.refused)})"


def _fate(fate: Fate | None) -> str:
    if fate is None:
        return "que no es de nadie"
    if isinstance(fate, Merged):
        return f"que se fusiona en {fate.into}"
    if isinstance(fate, Refused):
        return f"que se rechaza ({' o '.join(f'{state} {column}' for state, column in sorted(fate.reasons))})"
    return "que pasa"


def stored_disagreements(
    table: str, clave: str, expected: Mapping[str, str | None], stored: Mapping[str, str | None] | None
) -> Iterator[Disagreement]:
    """Yield where a Spanish row that the comparison takes for equal is not what the second opinion expects."""
    if stored is None:
        yield Disagreement(table, clave, "la fila", "que está en la tabla española", "que falta")
        return
    for name, value in expected.items():
        if stored.get(name) != value:
            yield Disagreement(table, clave, f"{name} guardado", f"igual a {shown(stored.get(name))}", shown(value))


def opinion_lines(found: Iterable[Opinion]) -> list[str]:
    """Return what was looked at and what that bounds, a line for each table, then every disagreement that is named."""
    lines, named = [], []
    for one in found:
        if one.whole:
            looked = f"las {number(one.rows)} filas, una por una"
        else:
            chosen = one.judged - one.at_random
            looked = f"{number(one.at_random)} filas al azar y {number(chosen)} escogidas de {number(one.rows)}"
        apart = f"; {number(one.unforeseen)} que solo PostgreSQL rechaza, aparte" if one.unforeseen else ""
        bound = "" if one.whole else f"; un fallo en una fila de cada mil se escaparía {_chance(one.escape)}"
        lines.append(f"Segunda opinión, {escape(one.table)}: {looked}; {number(one.count)} desacuerdos{apart}{bound}")
        named += [d.line for d in one.examples]
        if one.count > len(one.examples):
            named.append(f"  {escape(one.table)}: y {number(one.count - len(one.examples))} desacuerdos más")
    return lines + named


def _chance(chance: float) -> str:
    if chance < 1e-6:
        return "menos de una vez en un millón"
    return (
        f"una vez de cada {number(1 / chance)}" if chance < 0.5 else f"con una probabilidad del {chance:.0%}".replace("%", " %")
    )


def opinion_detail(found: Iterable[Opinion]) -> list[dict[str, Any]]:
    """Return the same as the event 'prueba' keeps it."""
    return [
        {
            "tabla": one.table,
            "filas": one.rows,
            "juzgadas": one.judged,
            "al_azar": one.at_random,
            "imprevistas": one.unforeseen,
            "desacuerdos": one.count,
            "escapa_una_de_mil": one.escape,
        }
        for one in found
    ]
