"""The mapping file: what may stand in it, and how its text becomes a TableMapping."""

from __future__ import annotations

import functools
import hashlib
import json
from typing import Any

import yaml

from .dependents import build_dependents
from .document import Entry, Kind, Node, Problems
from .pairs import build_pairs, build_subphases
from .shapes import Field, Flag, Items, Names, Record, Text, Value, Whole
from .spanish_tables import ON_DELETE, build_tables, zone_of
from .types import TableMapping

_COLUMN = Record(
    "A Spanish column. Its type alone is enough: `ciudad: varchar(100)`.",
    short="type",
    fields=(
        Field("type", Text("varchar(20), text, integer, serial, numeric(10,2), boolean, uuid, jsonb …"), True),
        Field("not_null", Flag("NULL is refused. Keys are NOT NULL without saying so.")),
        Field("default", Value("DEFAULT as a value: activo, 0, true, {} or [].")),
        Field("default_sql", Text("DEFAULT as an SQL expression: gen_random_uuid()")),
        Field("allowed", Items("The only values that a text column takes.", Text("A value."))),
        Field("minimum", Whole("The smallest value.")),
        Field("maximum", Whole("The largest value.")),
        Field("optional", Text("The legacy column without which this one is not made.", name=True)),
        Field("comment", Text("COMMENT ON COLUMN")),
    ),
)
_COLUMN_NAME = Text("A declared Spanish column.", name=True)
_FOREIGN_KEY = Record(
    "What the column references.",
    fields=(
        Field("table", Text("A Spanish table declared above this one.", name=True), True),
        Field("column", Text("Its primary key or a unique column.", name=True), True),
        Field("on_delete", Text("ON DELETE: " + ", ".join(ON_DELETE))),
    ),
)
_TABLE = Record(
    "A Spanish table.",
    fields=(
        Field("twin", Text("The legacy table whose privileges and row security it takes over.", name=True), True),
        Field("comment", Text("COMMENT ON TABLE")),
        Field("columns", Names("Columns in order.", _COLUMN, "una columna se declara una sola vez"), True),
        Field("primary_key", Items("Column or columns.", _COLUMN_NAME, lone=True), True),
        Field("unique", Items("UNIQUE constraints.", Items("Column or columns.", _COLUMN_NAME, lone=True))),
        Field(
            "foreign_keys",
            Names("By column.", _FOREIGN_KEY, "una columna tiene una sola clave foránea"),
        ),
        Field("indexes", Items("One index per column, named idx_<table>_<column>.", _COLUMN_NAME)),
        Field("touched", Text("The timestamp that the database sets on every UPDATE.", name=True)),
    ),
)
_LEGACY_NAME = Text("A legacy column.", name=True)
_LOOKUP = Record(
    "A value of one row of another table, NULL where there is no such row. It never goes back.",
    fields=(
        Field("table", Text("A legacy table, or a Spanish one declared above this one.", name=True), True),
        Field("column", Text("Its column that is compared with by; in a Spanish table a unique one.", name=True), True),
        Field("by", Text("The row's own column: a legacy one, for a Spanish table a Spanish one.", name=True), True),
        Field("take", Text("Its column whose value is taken.", name=True), True),
        Field("se_queda", Flag("Another value, written on the Spanish side, stays as long as by does.")),
    ),
)
_RULE = Record(
    "Where a Spanish column comes from. The legacy name alone is enough: `telefono: phone_number`.",
    short="from",
    any_of=("from", "lookup"),
    fields=(
        Field("from", Items("The legacy column; of several the first that exists.", _LEGACY_NAME, lone=True)),
        Field("default", Value("The value for a legacy NULL. Without it NULL stays NULL.")),
        Field(
            "values",
            Names(
                "Legacy value: Spanish value. A value already in Spanish stays.",
                Text("A Spanish value."),
                "un valor legado tiene una sola traducción",
                name=False,
            ),
        ),
        Field("text_key", Text("Text that is no JSON is kept in an object under this key.")),
        Field("optional", Flag("Some installations lack the legacy column.")),
        Field("lookup", _LOOKUP),
        Field(
            "json_keys",
            Items("Where lookup has nothing: the first of these keys that the JSON of from has.", Text("A key."), lone=True),
        ),
        Field("present", Value("The value where the legacy column is filled; this one says no more, and never goes back.")),
        Field("absent", Value("The value where it is not.")),
        Field(
            "se_queda",
            Items("Further Spanish values: legacy says them as absent, and they stay while it does.", Text("A Spanish value.")),
        ),
        Field("zona", Text("The same for this column alone, where zona above all says another.")),
    ),
)
_PAIR = Record(
    "Rows of the legacy table above that become rows of this Spanish table.",
    fields=(
        Field("subphase", Text("The part of a phase that copies these rows."), True),
        Field(
            "match",
            Items("What a row is recognised by; default: the primary key.", _COLUMN_NAME, lone=True),
        ),
        Field("columns", Names("By Spanish column.", _RULE, "una columna española no puede tener dos orígenes"), True),
        Field(
            "waived",
            Names("Legacy columns left behind on purpose, with the reason.", Text("Why."), "se renuncia una sola vez"),
        ),
        Field(
            "where",
            Names(
                "Only rows whose legacy column has this value: `{user_type: provider}`.",
                Text("A legacy value."),
                "una fila tiene un solo valor",
                filled=True,
            ),
        ),
        Field("otherwise", Flag("Rows that no pair of this legacy table takes are refused here, by name.")),
        Field(
            "merge_by",
            Text("A row whose value of this unique column an earlier pair's row has is merged into that one.", name=True),
        ),
        Field(
            "takes_over",
            Text(
                "A row born on the Spanish side whose value of this unique column a row of another pair of the legacy table has"
                " takes that row over; who it was goes on in the table of that pair's first one.",
                name=True,
            ),
        ),
        Field(
            "births",
            Names(
                "What the twin of a row born on the Spanish side gets in legacy columns that no Spanish one fills.",
                Value("The value."),
                "una columna recibe un solo valor",
                filled=True,
            ),
        ),
        Field("duplicates", Flag("Rows that meet in match are merged into the one with the lowest key.")),
    ),
)
_DEPENDENT = Record(
    "What becomes of an object of somebody else's that hangs on a legacy table, when fase5 moves that table away.",
    any_of=("references", "statement", "waived"),
    fields=(
        Field(
            "references",
            Record(
                "Of a foreign key: what it references from then on.",
                fields=(
                    Field("table", Text("A Spanish table.", name=True), True),
                    Field("column", Text("Its primary key or a unique column.", name=True), True),
                ),
            ),
        ),
        Field("statement", Text("SQL that points the object at the Spanish tables, run within the move.")),
        Field(
            "back",
            Text("SQL that undoes it; without it a view, function, policy or default gets its definition back."),
        ),
        Field("waived", Text("Why it may stay as it is.")),
    ),
)
_TARGETS = Names("By Spanish table.", _PAIR, "un par de tablas se describe una sola vez")
_PARTS = Items("Parts in order; -e subfase=… runs one.", Text("A part.", name=True))
_FILE = Record(
    "What becomes what.",
    fields=(
        Field("schema", Text("The schema of the legacy and the Spanish tables.", name=True), True),
        Field("zona", Text("Whose clock legacy timestamps without a zone were written by: UTC, America/Guayaquil …")),
        Field(
            "subphases",
            Record("The parts of the copying phases.", fields=(Field("fase2", _PARTS), Field("fase3", _PARTS))),
            True,
        ),
        Field("tables", Names("Spanish tables as created.", _TABLE, "una tabla se declara una sola vez"), True),
        Field("pairs", Names("By legacy table.", _TARGETS, "reúna sus tablas españolas en una sola clave"), True),
        Field(
            "dependents",
            Names(
                "By object, kind and identity as fase5 lists them: `view public.customer_activity`.",
                _DEPENDENT,
                "un objeto se describe una sola vez",
                name=False,
            ),
        ),
    ),
)
_KINDS: dict[str, Kind] = {
    "str": "text",
    "timestamp": "text",
    "value": "text",
    "merge": "text",
    "null": "null",
    "bool": "boolean",
    "int": "integer",
    "float": "number",
}
_TAG = "tag:yaml.org,2002:"
_FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is no part of every PyYAML


@functools.lru_cache(maxsize=8)  # a mapping never changes
def load_mapping(text: str, path: str) -> TableMapping:
    """Return the mapping written in ``text``; every mistake in it is named with file, line and key."""
    problems = Problems(path)
    root = _FILE.read(_parse(text, problems), Entry(1, ""), problems) or Entry(1, "")
    subphases = build_subphases(root.get("subphases"), problems)
    tables = build_tables(root.get("tables"), problems)
    pairs = build_pairs(root.get("pairs"), tables, subphases, zone_of(root.get("zona"), problems), problems)
    dependents = build_dependents(root.get("dependents"), tables, problems)
    problems.stop_if_any()
    return TableMapping(
        schema=root.get("schema").text,
        tables=tables,
        pairs=pairs,
        subphases=subphases,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        path=path,
        dependents=dependents,
    )


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of the mapping file, made of the description that the loader itself checks against."""
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Mapping of a migration", **_FILE.schema()}


def schema_text() -> str:
    """Return the text of files/mapping/schema.json."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _parse(text: str, problems: Problems) -> Node:
    try:
        document = _compose(text)
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        problems.add(Node(line, "other"), "contiene un carácter que YAML no admite")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problems.add(Node(mark.line + 1 if mark else 1, "other"), f"no es YAML válido ({error.problem})")
    else:
        if document is not None:
            return _node(document, {})
        problems.add(Node(1, "null"), "el fichero está vacío")
    problems.stop_if_any()
    raise AssertionError("unreachable: a problem was noted above")


def _compose(text: str) -> yaml.Node | None:
    """Read by libyaml, which is ten times as quick; what that refuses is read by PyYAML, whose words we know.

    As bytes: libyaml takes no subclass of str, and such is what a lookup of Ansible before 2.19 gives.
    """
    try:
        return yaml.compose(bytes(text, "utf-8"), Loader=_FAST)
    except (yaml.YAMLError, UnicodeEncodeError):
        return yaml.compose(text, Loader=yaml.SafeLoader)


def _node(node: yaml.Node, known: dict[int, Node]) -> Node:
    """Translate a YAML node; one behind an alias only once, so that neither a loop nor a tower of aliases hurts."""
    if id(node) in known:
        return known[id(node)]
    line = node.start_mark.line + 1
    known[id(node)] = Node(line, "other")  # what an alias finds that stands inside its own anchor
    if isinstance(node, yaml.MappingNode):
        pairs = tuple((_node(key, known), _node(value, known)) for key, value in node.value)
        known[id(node)] = Node(line, "map", pairs=pairs)
    elif isinstance(node, yaml.SequenceNode):
        known[id(node)] = Node(line, "list", items=tuple(_node(item, known) for item in node.value))
    else:
        known[id(node)] = Node(line, _KINDS.get(node.tag.removeprefix(_TAG), "other"), node.value)
    return known[id(node)]
