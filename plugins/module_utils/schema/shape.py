"""Whether the Spanish tables still are what fase1 made: asked before a row is carried, and before one is proved."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..call.context import Context
from ..core.errors import MigrationError
from ..core.phase.history import standing_parts
from ..core.schema.differences import COLUMN, COMMENTED, GRANT, WHOLE, Difference, harmful, renamed, without_renames
from ..core.schema.mending import rename_by_hand, repairable, statement_by_hand
from ..ledger import runs
from .mould import structure_of_existing


def require_shape(context: Context, left: str) -> list[str]:
    """Compare the Spanish tables, definition by definition; return a line for each difference that no row can meet.

    Raises MigrationError, code difference, where a table that this run fills, or that its rows lean on, lacks something, has
    something else, or has something more that could refuse or change a row. In a dry run before fase1 nothing is missing yet.
    """
    found = structure_of_existing(context.conn, context.mapping, context.catalogue)
    if context.check and not standing_parts(runs.recorded_runs(context.conn), "fase1"):
        found = {name: differing for name, differing in found.items() if differing[0].kind != WHOLE}
    wrong = {name: bad for name in _concerned(context) if (bad := harmful(found.get(name, ())))}
    refuse_shape(context, wrong, left, every=found)
    return other_lines(found, wrong)


def _concerned(context: Context) -> list[str]:
    """The tables that this run fills and, through foreign keys and looked-up columns, those that their rows name."""
    names = dict.fromkeys(r.pair.target for r in context.routes)
    for name in (todo := list(names)):
        table = next(t for t in context.mapping.tables if t.name == name)
        looked_up = [c.lookup.table for r in context.routes if r.pair.target == name for c in r.carried if c.spanish]
        for other in (*(k.table for k in table.foreign_keys), *looked_up):
            if other not in names:
                names[other] = None
                todo.append(other)
    return list(names)


def refuse_shape(
    context: Context,
    wrong: Mapping[str, Sequence[Difference]],
    left: str,
    *,
    every: Mapping[str, Sequence[Difference]],
    ours: Collection[str] | None = None,
) -> None:
    """Refuse tables that are not as asked, code difference, each difference with what mends it.

    ``every``: all that differs in these tables, by which a column with another name is known.
    ``ours``: the tables that fase1 made, all of them unless said: of another's table no statement is named.
    """
    if not wrong:
        return
    tables = {t.name: t for t in context.mapping.tables}
    lines, by_hand, repaired, anew = [], False, False, False
    for name, differing in wrong.items():
        names = renamed(every.get(name, ()))
        for difference in without_renames(differing, names):
            mend = ""
            if ours is not None and name not in ours:
                anew = True
            elif repairable(context.mapping, context.catalogue, tables[name], difference):
                mend, repaired = ". Lo repone fase1", True
            elif difference.kind == COLUMN and difference.name in names:
                mend, by_hand = f". {rename_by_hand(context.mapping, tables[name], difference.name, names)};", True
            else:
                mend, by_hand = f". Como su dueño: {statement_by_hand(context.mapping, tables[name], difference)};", True
                repaired = repaired or difference.wanted is not None
            lines.append(f"  {name}: {difference.phrase}{mend}")
    steps = ["renombre la tabla, si es de otro"] if anew else []
    steps += ["ejecute las sentencias de abajo"] if by_hand else []
    fase1 = "ansible-playbook fase1.yml con el mismo -i, que repone lo que falta sin tocar filas"
    steps += [f"después {fase1}" if by_hand else f"ejecute {fase1}"] if repaired else []
    listed = ", ".join(steps)
    raise MigrationError(
        f"{', '.join(wrong)} no {'tiene' if len(wrong) == 1 else 'tienen'} la forma que pide el mapeo",
        left=left,
        move=f"{listed[:1].upper()}{listed[1:]}, y repita la orden. Con las tablas vacías también se rehacen: "
        "ansible-playbook fase1.yml --tags rollback con el mismo -i.\n" + "\n".join(lines),
        code="difference",
    )


def other_lines(found: Mapping[str, Sequence[Difference]], wrong: Mapping[str, Sequence[Difference]]) -> list[str]:
    """Return a line for each difference that stops nothing. Grants and comments fase1 and estado tell."""
    return [
        f"Aviso: {name}: {difference.phrase}"
        for name, differing in found.items()
        for difference in differing
        if difference not in wrong.get(name, ()) and difference.kind not in (GRANT, COMMENTED)
    ]
