"""Which row security policies of a legacy table can be carried to its Spanish twin, and the statements that make them.

A policy that cannot be carried is left out, so the table is closed where it was open; one that only restricts is
replaced by one that refuses everything, because leaving it out would open the table.
"""

from __future__ import annotations

from dataclasses import replace

from ..catalogue import WHOLE_ROW, CarriedPolicy, Catalogue, Policy, Relation
from ..mapping.types import ColumnRule, SpanishTable, TableMapping
from ..rows.routes import source_of
from ..rows.values import TEXT_TYPES, type_family
from ..sqltext import ident


def rules_from(mapping: TableMapping, table: SpanishTable, source: str) -> tuple[ColumnRule, ...]:
    """Return the rules by which a legacy table, most often the twin, fills the Spanish one."""
    return tuple(r for p in mapping.pairs if p.target == table.name and p.source == source for r in p.columns)


def renames(mapping: TableMapping, table: SpanishTable, legacy: Relation) -> dict[str, str]:
    """Return legacy column → Spanish column, for every column that the legacy table gives the Spanish one."""
    found = {}
    for rule in rules_from(mapping, table, legacy.name):
        source = source_of(rule, legacy)
        if source is not None and rule.lookup is None and rule.present is None and rule.absent is None:
            found[source.name] = rule.target
    return found


def obstacle(mapping: TableMapping, table: SpanishTable, legacy: Relation, policy: Policy) -> str:
    """Return in words why the policy cannot be carried, '' where the server may translate it."""
    migrated = {t.twin for t in mapping.tables} | {p.source for p in mapping.pairs}
    named = [name for name in policy.tables if name in migrated]
    if named:
        return f"nombra {', '.join(named)}, que también se migra"
    if WHOLE_ROW in policy.columns:
        return f"usa la fila entera, que en {table.name} es otra"
    known = renames(mapping, table, legacy)
    lost = [c for c in policy.columns if c not in known]
    if lost:
        return f"usa {', '.join(lost)}, sin columna en {table.name}"
    changed = [c for c in policy.columns if not _unchanged(mapping, table, legacy, c)]
    if changed:
        return f"usa {', '.join(changed)}, cuyos valores cambian en {table.name}"
    return ""


def _unchanged(mapping: TableMapping, table: SpanishTable, legacy: Relation, name: str) -> bool:
    """Whether every carried value of the column is the same value on both sides, NULL included."""
    target_name = renames(mapping, table, legacy)[name]
    rule = next(r for r in rules_from(mapping, table, legacy.name) if r.target == target_name)
    source = next(c for c in legacy.columns if c.name == name)
    target = next(c for c in table.columns if c.name == rule.target)
    if rule.values or rule.default is not None or rule.text_key or target.allowed:
        return False
    family, _ = type_family(target.type)
    return source.type == target.type or (source.base in TEXT_TYPES and family in ("text", "character varying"))


def policy_statements(catalogue: Catalogue, table: SpanishTable, name: str) -> dict[str, str]:
    """Return the CREATE POLICY statements of one Spanish table (``name``: qualified and quoted), by the policy's name."""
    found = {}
    for carried in catalogue.carried_policies:
        policy = policy_here(carried) if carried.table == table.name else None
        if policy is not None:
            found[policy.name] = create_policy(policy, name)
    return found


def policy_here(carried: CarriedPolicy) -> Policy | None:
    """Return what stands on the Spanish side for a policy; None where it is left out."""
    if not carried.obstacle:
        return carried.policy
    return None if carried.policy.permissive else _refuse_all(carried.policy)


def _refuse_all(policy: Policy) -> Policy:
    inserting = policy.command == "INSERT"
    return replace(policy, using=None if inserting else "false", check="false" if inserting else None)


def create_policy(policy: Policy, name: str) -> str:
    """Return one CREATE POLICY on the table ``name``."""
    roles = ", ".join("PUBLIC" if r == "PUBLIC" else ident(r) for r in policy.roles)
    return (
        f"CREATE POLICY {ident(policy.name)} ON {name}\n"
        f"  AS {'PERMISSIVE' if policy.permissive else 'RESTRICTIVE'} FOR {policy.command} TO {roles}"
        + (f"\n  USING ({policy.using})" if policy.using is not None else "")
        + (f"\n  WITH CHECK ({policy.check})" if policy.check is not None else "")
    )


def made_by_hand(catalogue: Catalogue, table: SpanishTable, name: str, definition: str | None) -> bool:
    """Whether somebody wrote on the Spanish side what could not be carried: same name, command, roles and kind.

    ``definition``: the policy as it is there, None where there is none.
    """
    missing = [c.policy for c in catalogue.carried_policies if c.table == table.name and c.obstacle and c.policy.name == name]
    return definition is not None and any(f"{definition} ".startswith(f"{_head(p)} ") for p in missing)


def _head(policy: Policy) -> str:
    kind = "permisiva" if policy.permissive else "restrictiva"
    return f"{policy.command}, {kind}, para {', '.join(policy.roles)}"


def left_out(catalogue: Catalogue, table: str) -> list[str]:
    """Return one phrase for each policy of the table that could not be carried."""
    return [
        f"«{c.policy.name}» ({c.policy.command}{'' if c.policy.permissive else ', restrictiva: cierra del todo'}): {c.obstacle}"
        for c in catalogue.carried_policies
        if c.table == table and c.obstacle
    ]
