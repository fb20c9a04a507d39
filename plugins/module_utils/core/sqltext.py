"""SQL text for rendered files: identifiers and literals, quoted without a connection.

Jobs that send values to a server use parameters; this module exists because files/sql is made without a server.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

# pg_get_keywords() of PostgreSQL 18: reserved, or reserved as a type, function or column name.
_RESERVED_WORDS = """
all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast
char character check coalesce collate collation column concurrently constraint create cross current_catalog
current_date current_role current_schema current_time current_timestamp current_user dec decimal default deferrable
desc distinct do else end except exists extract false fetch float for foreign freeze from full grant greatest group
grouping having ilike in initially inner inout int integer intersect interval into is isnull join json json_array
json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value
lateral leading least left like limit localtime localtimestamp merge_action national natural nchar none normalize
not notnull null nullif numeric offset on only or order out outer overlaps overlay placing position precision
primary real references returning right row select session_user setof similar smallint some substring symmetric
system_user table tablesample then time timestamp to trailing treat trim true union unique user using values varchar
variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces
xmlparse xmlpi xmlroot xmlserialize xmltable
"""
_RESERVED = frozenset(_RESERVED_WORDS.split())
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z")
MAX_IDENTIFIER_BYTES = 63  # NAMEDATALEN - 1


def ident(name: str) -> str:
    """Return the identifier as SQL, quoted only where PostgreSQL needs it."""
    if _PLAIN.match(name) and name not in _RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def qname(schema: str, name: str) -> str:
    """Return schema.name as SQL."""
    return f"{ident(schema)}.{ident(name)}"


def idents(names: Iterable[str], prefix: str = "") -> str:
    """Return the identifiers as a comma separated list, each behind ``prefix`` (an alias with its dot)."""
    return ", ".join(prefix + ident(n) for n in names)


def literal(value: str) -> str:
    """Return the text as an SQL string that means the same under both settings of standard_conforming_strings."""
    quoted = value.replace("'", "''")
    if "\\" in quoted:
        return " E'" + quoted.replace("\\", "\\\\") + "'"
    return f"'{quoted}'"


def images_differ(names: Iterable[str], left: str, right: str) -> str:
    """Return whether the rows differ in any byte; ``=`` would take jsonb 1.0 for 1.00. The casts keep it one comparison."""
    listed = tuple(names)
    return f"ROW({idents(listed, left)})::record *<> ROW({idents(listed, right)})::record"


def derived_name(*parts: str) -> str:
    """Join the parts with '_'; a name longer than PostgreSQL's limit ends in a hash instead of being cut in silence."""
    name = "_".join(parts)
    raw = name.encode()
    if len(raw) <= MAX_IDENTIFIER_BYTES:
        return name
    digest = hashlib.sha256(raw).hexdigest()[:8]
    return raw[: MAX_IDENTIFIER_BYTES - 9].decode(errors="ignore") + "_" + digest


def comment_text(text: str) -> str:
    """Return the text fit for one line behind '--'."""
    return re.sub(r"[\r\n\x00-\x1f]+", " ", text)
