"""Judges the sequences behind the ids that are carried: step, bounds, type, direction, position. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..sqltext import ident, literal, qname
from ..words import number
from .findings import GOOD, NOTICE, Finding

_NAME = "secuencias"
# What each integer type can hold.
HIGHEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}


@dataclass(frozen=True)
class SequenceFacts:
    """A sequence (as SQL) that fills a legacy column, and the highest ids there. ``room``: the highest id that the Spanish
    column holds; ``fitting``: the highest id up to there, ``beyond``: the highest above it; ``last`` is None where the role
    may not read the sequence, ``movable`` says whether it may set it."""

    sequence: str
    owner: str
    schema: str
    table: str
    column: str
    type: str
    step: int
    lowest: int
    highest: int
    cycles: bool
    last: int | None
    called: bool
    movable: bool
    role: str
    room: int
    fitting: int | None
    beyond: int | None

    @property
    def next(self) -> int:
        """The id that comes next."""
        last = self.last or 0
        return last + self.step if self.called else last


def sequence_findings(sequences: list[SequenceFacts]) -> list[Finding]:
    """One finding for each sequence; both sides draw from it, so every id of it has to fit on both."""
    return [_judged(facts) for facts in sequences] or [Finding(_NAME, "ninguna", "los ids caben en las dos tablas")]


def _judged(s: SequenceFacts) -> Finding:
    if s.last is None:
        return Finding(_NAME, f"{s.sequence}, que este rol no puede leer", "legible por este rol", NOTICE, _grant(s), s.owner)
    step = "" if s.step == 1 else f", de {number(s.step)} en {number(s.step)}"
    value = f"{s.sequence} ({s.type}{step}) va por {number(s.last)}"
    if s.fitting is not None:
        value += f", ids hasta {number(s.fitting)}"
    if s.beyond is not None:
        value += f"; y {number(s.beyond)}, que no cabe"
    problems = _problems(s)
    if not problems:
        return Finding(_NAME, value, f"ids hasta {number(s.room)}", GOOD)
    mend = " ".join(text for text in (_mend(s), "" if s.movable else _grant(s)) if text)
    return Finding(_NAME, value, "; ".join(problems), NOTICE, mend, f"{s.owner}, que la posee")


def _grant(s: SequenceFacts) -> str:
    return f"GRANT SELECT, UPDATE, USAGE ON SEQUENCE {s.sequence} TO {ident(s.role)};"


def _problems(s: SequenceFacts) -> list[str]:
    found = []
    if s.step < 0:
        found.append("ascendente (esta desciende)")
    elif s.next > s.room:
        found.append(f"posición hasta {number(s.room)}")
    elif s.fitting is not None and s.next <= s.fitting:
        found.append("posición tras el mayor id")
    if s.step > 0 and s.highest > s.room:
        found.append(f"tope {number(s.room)} (es {number(s.highest)})")
    if s.fitting is not None and s.fitting + s.step > min(s.room, s.highest):
        found.append(f"sitio para más ids: tope {number(s.highest)}")
    if s.cycles:
        found.append("NO CYCLE: daría ids usados")
    if not s.movable:
        found.append("movible por este rol")
    return found


def _mend(s: SequenceFacts) -> str:
    """What brings the sequence to ids that fit, '' where its bounds and position are right or no id is left."""
    column, table = ident(s.column), qname(s.schema, s.table)
    if s.fitting is not None and s.fitting >= s.room:
        return ""
    position = f"FROM {table} WHERE {column} <= {s.room};"
    setval = f"SELECT setval({literal(s.sequence).strip()}, greatest(max({column}), 1)) {position}"
    if s.step < 0:
        turn = f"INCREMENT BY 1 MINVALUE 1 MAXVALUE {s.room} START WITH 1 RESTART WITH 1 NO CYCLE"
        return f"BEGIN; ALTER SEQUENCE {s.sequence}{_wider(s)} {turn}; {setval} COMMIT;"
    short = s.fitting is not None and s.fitting + s.step > s.highest
    clauses = f" MAXVALUE {s.room}" if s.highest > s.room or short else ""
    clauses = (_wider(s) if short else "") + clauses + (" NO CYCLE" if s.cycles else "")
    alter = f"ALTER SEQUENCE {s.sequence}{clauses};" if clauses else ""
    if s.next > s.room:
        return f"{setval} {alter}".strip()
    if s.fitting is not None and s.next <= s.fitting:
        forward = f"SELECT setval({literal(s.sequence).strip()}, greatest(max({column}), (SELECT last_value FROM {s.sequence})))"
        return f"{alter} {forward} {position}".strip()
    return alter


def _wider(s: SequenceFacts) -> str:
    needed = next(name for name, highest in HIGHEST.items() if highest >= s.room)
    return f" AS {needed}" if HIGHEST[s.type] < s.room else ""
