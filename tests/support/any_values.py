"""Values of every legacy type for hypothesis, and a mapping with one pair of tables for each conversion and each rule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from .hostile import DATES, FRACTIONS, JSONS, SOURCES, STATUSES, TEXTS, UUIDS

WIDE = 3_000  # what is longer stands in the tests of its own type
_any_text = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12)
_padded = st.builds("{}{}".format, _any_text, st.sampled_from(["", " ", "     ", "  \t", "\n", "\u00a0"]))
_documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_any_text, inner, max_size=4),
    max_leaves=8,
)
_numbers = st.builds("{}{}{}".format, st.integers(-999, 999), st.sampled_from(["", ".5", ".10", ".0"]), st.sampled_from(
    ["", "e5", "E-7", "e+20", "e-300", "e131069"]
))  # fmt: skip
_json = st.builds(json.dumps, _documents) | _numbers | st.builds('{{"b": {}, "a": [{}], "b": 1}}'.format, _numbers, _numbers)
_nearly_json = st.builds(
    lambda text, cut, tail: text[cut:] + tail, _json, st.integers(0, 2), st.sampled_from(["", "", " ", "}", "\x0c", ",1"])
) | st.builds('"\\{}"'.format, st.sampled_from(["u00e9", "u0000", "ud83d", "ud83d\\ude42", "x", "/", "u12", "u0041b"]))
_nearly_dates = st.builds(
    "{}-{:02}-{:02}{}{}".format,
    st.sampled_from(["2024", "2023", "1900", "0000", "0001", "9999", "02024"]),
    st.integers(0, 13),
    st.integers(0, 32),
    st.sampled_from(
        ["", "T00:00", " 23:59:59", "T24:00", " 12:30:60", "t10:00", "T10:00:00.", " 10:00:00.123456", " 10:00:00.1234567"]
    ),
    st.sampled_from(
        ["", "Z", "z", "+00", "-05", "+05:30", "-0500", "+14:59", "+15:59", "+16", "-00:60", " UTC", " EST", " BC", "\n"]
    ),
)
_hostile_texts = st.sampled_from([t for t in (*TEXTS, *JSONS, *UUIDS, *DATES, *STATUSES) if t is not None and len(t) < WIDE])
TEXT = _any_text | _padded | _nearly_json | _json | _nearly_dates | _hostile_texts
_moments = st.datetimes().map(str)
_whole = {"smallint": 16, "integer": 32, "bigint": 64}
_integers = {name: st.integers(-(2 ** (n - 1)), 2 ** (n - 1) - 1).map(str) for name, n in _whole.items()}
_decimals = st.decimals(allow_nan=False, allow_infinity=True).map(str) | st.sampled_from(FRACTIONS)
_cents = st.builds("{}.{:04}".format, st.integers(-99_999_999, 99_999_999), st.integers(0, 9999))


def _of(source: str) -> st.SearchStrategy[str]:
    return st.sampled_from([str(v) for v in SOURCES[source] if v is not None and len(str(v)) < WIDE])


def _fitting(length: int) -> st.SearchStrategy[str]:
    return TEXT.map(lambda text: text[:length])


VALUES: dict[str, st.SearchStrategy[str]] = {
    "text": TEXT,
    "character varying": TEXT,
    "character varying(6)": _fitting(6),
    "character(8)": _fitting(8),
    "short_text": _fitting(10),
    "name": _fitting(14),
    "letters": _of("letters"),
    "uuid": st.uuids().map(str),
    "boolean": st.sampled_from(["true", "false"]),
    "date": st.dates().map(str) | _of("date"),
    "json": _json | _of("json"),
    "jsonb": st.builds(json.dumps, _documents) | _numbers | _of("jsonb"),
    **{name: values | _of(name) for name, values in _integers.items()},
    "numeric": _decimals | _of("numeric"),
    "numeric(12,4)": _cents | _of("numeric(12,4)"),
    "real": st.floats(width=32).map(repr) | _of("real"),
    "double precision": st.floats().map(repr) | _of("double precision"),
    "timestamp with time zone": _moments | _of("timestamp with time zone"),
    "timestamp without time zone": _moments | _of("timestamp without time zone"),
}
_TEXTS = ("text", "character varying", "character varying(6)", "character(8)", "letters", "name", "short_text")
_NUMBERS = ("smallint", "integer", "bigint", "numeric", "numeric(12,4)", "real", "double precision")
_TIME, _ZONED = "timestamp without time zone", "timestamp with time zone"
CONVERSIONS: dict[str, tuple[str, ...]] = {
    "text": (*_TEXTS, "uuid", "smallint", "integer", "bigint"),
    "varchar": ("text", "letters", "uuid", "bigint"),
    "varchar(5)": (*_TEXTS, "uuid", "integer"),
    "jsonb": (*_TEXTS, "json", "jsonb"),
    "json": ("json",),
    "uuid": (*_TEXTS, "uuid"),
    **dict.fromkeys(("smallint", "integer", "bigint", "numeric", "numeric(5,2)", "numeric(11,8)"), _NUMBERS),
    "real": ("real",),
    "double precision": ("double precision",),
    "boolean": ("boolean",),
    "date": ("date",),
    "timestamp": (_ZONED, _TIME, "text", "character(8)", "short_text"),
    "timestamptz": (_ZONED,),
}
ZONES = ("UTC", "America/Guayaquil", "America/New_York", "Australia/Lord_Howe", "Pacific/Kiritimati", "Europe/Dublin")


@dataclass(frozen=True)
class Field:
    """A legacy type, the Spanish column, and the rule between them."""

    legacy: str
    column: dict[str, Any]
    rule: dict[str, Any] = field(default_factory=dict)


def fields() -> Iterator[Field]:
    """Every conversion there is, every zone, and rules of every kind."""
    for target, sources in CONVERSIONS.items():
        yield from (Field(source, {"type": target}) for source in sources)
    for zone in ZONES:
        yield Field(_TIME, {"type": "timestamp"}, {"zona": zone})
    words = {"active": "activo", "inactive": "inactivo", "50%'s": "d'oca\\s", "": "activo"}
    allowed = {"allowed": ["activo", "inactivo", "d'oca\\s"]}
    yield Field("text", {"type": "varchar(8)", **allowed}, {"values": words})
    yield Field(
        "letters", {"type": "varchar(5)", "allowed": ["a", "ñ"], "not_null": True}, {"values": {"abcde": "a", "ñandú": "ñ"}}
    )
    yield Field("character(8)", {"type": "varchar(8)", **allowed, "not_null": True}, {"values": words, "default": "activo"})
    for legacy in ("text", "short_text", "json"):
        yield Field(legacy, {"type": "jsonb"}, {"default": {}, "text_key": "texto"})
    yield Field("jsonb", {"type": "jsonb"}, {"default": {}, "text_key": 'it\'s \\ "x"'})
    yield Field("text", {"type": "jsonb"}, {"default": []})
    yield Field("jsonb", {"type": "jsonb", "not_null": True})
    yield Field("text", {"type": "varchar(5)", "not_null": True}, {"default": ""})
    yield Field("text", {"type": "timestamp", "not_null": True}, {"default": "2020-01-01"})
    yield Field("text", {"type": "varchar(9)"}, {"present": "resuelta", "absent": "pendiente"})
    yield Field("timestamptz", {"type": "varchar(9)"}, {"present": "resuelta", "absent": "pendiente"})
    for legacy, target in (
        ("integer", "integer"),
        ("double precision", "integer"),
        ("numeric", "numeric(3,2)"),
        ("real", "real"),
    ):
        yield Field(legacy, {"type": target, "minimum": 0, "maximum": 5, "not_null": True})
    yield Field("bigint", {"type": "integer", "minimum": 1}, {"default": 3})
    yield Field("numeric", {"type": "numeric", "maximum": 70})
    for legacy in ("jsonb", "json", "text"):
        yield Field(legacy, {"type": "varchar(5)"}, {"json_keys": ["phone", "b", ""]})


def mapping_of(listed: list[Field]) -> str:
    """The mapping of legacy tables l0, l1 … into Spanish ones d0, d1 …, each (id, v) into (id, valor)."""
    tables, pairs = dict[str, Any](), dict[str, Any]()
    for number, one in enumerate(listed):
        columns = {"id": "integer", "valor": one.column}
        tables[f"d{number}"] = {"twin": f"l{number}", "columns": columns, "primary_key": "id"}
        rules = {"id": "id", "valor": {"from": "v", **one.rule}}
        pairs[f"l{number}"] = {f"d{number}": {"subphase": "1", "columns": rules}}
    return json.dumps({"schema": "public", "subphases": {"fase2": ["1"]}, "tables": tables, "pairs": pairs})
