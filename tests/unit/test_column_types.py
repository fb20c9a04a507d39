"""Type names and values."""

from __future__ import annotations

import pytest

from plugins.module_utils.core.mapping.column_types import misfit, sql_value, type_name


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("varchar(100)", "character varying(100)"),
        ("VARCHAR ( 100 )", "character varying(100)"),
        ("timestamp", "timestamp without time zone"),
        ("timestamptz", "timestamp with time zone"),
        ("numeric(10, 8)", "numeric(10,8)"),
        ("decimal(6)", "numeric(6,0)"),
        ("int", "integer"),
        ("bigint", "bigint"),
        ("bool", "boolean"),
        ("char", "character(1)"),
        ("double  precision", "double precision"),
        ("jsonb", "jsonb"),
        ("numeric(2,3)", None),
        ("text(5)", None),
        ("timestamp(9", None),
        ("text; DROP TABLE x", None),
    ],
)
def test_types_are_written_as_postgresql_writes_them(written: str, normal: str | None) -> None:
    assert type_name(written) == normal


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("character varying(3)", "ñññ"),
        ("character varying", "x" * 1000),
        ("smallint", "-32768"),
        ("bigint", "9223372036854775807"),
        ("numeric(3,2)", "9.994"),
        ("numeric", "1" * 500),
        ("double precision", ".5"),
        ("boolean", "Off"),
        ("jsonb", '{"a": [1, null]}'),
        ("uuid", "6f1c3a52-7d0e-4b8f-9a51-0c9d8e7f6a5b"),
        ("", "what has no known type is not judged"),
    ],
)
def test_a_value_fits_its_type(type_: str, text: str) -> None:
    assert misfit(type_, text) is None


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("character varying(3)", "ññññ"),
        ("smallint", "32768"),
        ("bigint", "9" * 5000),
        ("integer", ""),
        ("integer", "٣"),
        ("numeric(3,2)", "9.995"),
        ("numeric(3,2)", "1" * 5000),
        ("numeric", "NaN"),
        ("boolean", ""),
        ("jsonb", "NaN"),
        ("jsonb", '"\\u0000"'),
        ("uuid", "6f1c3a52"),
    ],
)
def test_a_value_that_postgresql_would_refuse_does_not_fit(type_: str, text: str) -> None:
    assert misfit(type_, text) is not None


def test_a_default_with_a_backslash_means_itself() -> None:
    assert sql_value("text", "a\\b'c") == "E'a\\\\b''c'"
