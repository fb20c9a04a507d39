"""SQL text for rendered files: identifiers and literals, quoted without a connection.

Jobs that send values to a server use parameters; this module exists because files/sql is made without a server.
"""

from __future__ import annotations

import hashlib
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping

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
WIDTH = 130  # characters in a line of files/sql
_OPAQUE = re.compile(
    r"""'(?:(?<=\bE')[^'\\]*(?:(?:\\.|'')[^'\\]*)*|[^']*(?:''[^']*)*)'|"[^"]*(?:""[^"]*)*"|--[^\n]*""", re.DOTALL
)
# Spaces where a line may end: behind a comma (not between a literal, a key, and its value), before a word that begins a part.
_WORDS = "AND|OR|WHEN|THEN|ELSE|FROM|LEFT|CROSS|JOIN|WHERE|ON|INTO|USING|ORDER|PARTITION|LIMIT|FILTER|FOR|REFERENCES|TO"
_PLACES = re.compile(rf" (?:(?<=[^'], )|(?<=, )(?=E?')|(?<!LEFT )(?<!CROSS )(?<!DISTINCT )(?=(?:{_WORDS})\b))")
_DEPTH = re.compile(r"[(\[]|\bCASE\b|([)\]]|\bEND\b)")


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


def dollar_quoted(body: str, tag: str) -> str:
    """Return the text between dollar quotes: the tag, numbered where it stands in the text, as names may be anything."""
    number, quote = 0, f"${tag}$"
    while quote in body + quote[:-1]:  # what the text ends with must not begin one either
        number += 1
        quote = f"${tag}{number}$"
    return f"{quote}{body}{quote}"


DATABASE, BYTES = '"default"', '"C"'  # collations: the database's own; byte by byte


def collated(text: str, collation: str = DATABASE) -> str:
    """Return the text under that collation, said by name: what it is compared with then takes no part in the choice."""
    return f"({text} COLLATE {collation})"


def images_differ(names: Iterable[str], left: str, right: str) -> str:
    """Return whether the rows differ in any byte; ``=`` would take jsonb 1.0 for 1.00. The casts keep it one comparison."""
    listed = tuple(names)
    return f"ROW({idents(listed, left)})::record *<> ROW({idents(listed, right)})::record"


def all_of(*conditions: str) -> str:
    """Return the conditions joined by AND, without those that hold of every row: 'true' and ''."""
    return " AND ".join(c for c in conditions if c not in ("", "true"))


def where_all(*conditions: str, before: str = "\n") -> str:
    """Return the WHERE clause with its conditions, behind ``before``; nothing where they hold of every row."""
    condition = all_of(*conditions)
    return f"{before}WHERE {condition}" if condition else ""


def indented(sql: str, width: int) -> str:
    """Return the statement with every line moved to the right, but for those that a literal or a name goes on in."""
    shape = _blotted(sql)
    starts = [0, *(at + 1 for at, sign in enumerate(shape) if sign == "\n")]
    return "".join(" " * width + sql[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True))


def _blotted(sql: str) -> str:
    """Return the text with literals, quoted names and comments blotted out, every other character in its place."""
    return _OPAQUE.sub(lambda found: ("'" if found[0][0] == "'" else "x") * len(found[0]), sql)


def folded(sql: str) -> str:
    """Return the statement with its long lines broken, outside literals and comments: the same SQL, to be read.

    What lies between dollar quotes is SQL too.
    """
    shape = _blotted(sql)
    lines: list[str] = []
    start = 0
    for part in shape.split("\n"):
        line = sql[start : start + len(part)]
        lines += [line] if len(line) <= WIDTH else _broken(line, part)
        start += len(part) + 1
    return "\n".join(lines)


def _broken(line: str, shape: str) -> Iterator[str]:
    """Yield the pieces of one line; ``shape``: the same with its literals blotted out. A break lies as far out as it can."""
    margin = " " * (len(line) - len(line.lstrip()) + 2)
    while len(line) > WIDTH:
        places = [m.start() for m in _PLACES.finditer(shape, len(margin) + 20)]
        if not places:
            break
        fitting = [p for p in places if p <= WIDTH] or places[:1]
        fitting = [p for p in fitting if p > WIDTH // 2] or fitting
        turns = [(m.start(), -1 if m[1] else 1) for m in _DEPTH.finditer(shape, 0, fitting[-1])]
        place = min(fitting, key=lambda p: (sum(turn for at, turn in turns if at < p), -p))
        yield line[:place]
        line, shape = margin + line[place + 1 :], margin + shape[place + 1 :]
    yield line


def relocated(sql: str, names: Mapping[str, str]) -> str:
    """Return the statement with other names, qualified and quoted as SQL, for the given ones wherever it says them whole.

    Within a literal too, where it is the literal as a whole: quotes and backslashes of the name are written otherwise there.
    """
    known = {**names} | {text: literal(other) for name, other in names.items() if (text := literal(name).strip()) != f"'{name}'"}
    known |= {name.replace("%", "%%"): other.replace("%", "%%") for name, other in known.items()}
    listed = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
    return re.sub(rf'(?<![\w$."])(?:{listed})(?![\w$"]|(?<=\')\')', lambda found: known[found[0]], sql) if names else sql


def derived_name(*parts: str) -> str:
    """Join the parts with '_'; a name longer than PostgreSQL's limit ends in a hash instead of being cut in silence."""
    name = "_".join(parts)
    raw = name.encode()
    if len(raw) <= MAX_IDENTIFIER_BYTES:
        return name
    digest = hashlib.sha256(raw).hexdigest()[:8]
    return raw[: MAX_IDENTIFIER_BYTES - 9].decode(errors="ignore") + "_" + digest


def commented(text: str) -> str:
    """Return the text as a comment of whole lines."""
    plain = re.sub(r"[\x00-\x1f]+", " ", text)
    if len(plain) < WIDTH - 3:
        return f"-- {plain}\n"
    return textwrap.fill(plain, WIDTH, initial_indent="-- ", subsequent_indent="--   ", break_long_words=False) + "\n"
