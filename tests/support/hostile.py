"""Values that look for the edges of every type: what PostgreSQL takes in a legacy column and may refuse in a Spanish one."""

from __future__ import annotations

from collections.abc import Sequence

CONTROLS = [chr(code) for code in (*range(1, 32), *range(127, 161), 0x200B, 0x2028, 0xFEFF)]
TEXTS = [
    *(None, "", " ", "      ", "a", "abcde", "abcdef"),
    *("abcde ", "abcde    ", "abcde   \t", "abcd\t", "abcde\n", " abcde", "a    b"),
    *("ñandú", "ñandú ", "ñandúes", "👩‍👧", "👩‍👧👩‍👧", "e\u0301e\u0301e"),
    *("e\u0301e\u0301e\u0301", "مرحبا", "مرحبا ", "10", "-7", "null"),
    *("'", '"', "\\", "%s", "O'N\\e", "{{7}}", "a" * 300_000, " " * 300_000),
    *CONTROLS,
    *("abcde" + control for control in CONTROLS),
]
JSONS = [
    *(None, "", " ", "\t\n\r ", "null", " null\n", "null\x0b", "\u00a0null"),
    *("Null", "nul", "nulll", "true", "tru", "[null]", '"null"'),
    *("42", "-0", "01", "1.", ".5", "+1", "1e5", "1.0"),
    *("1.00", "1e-400000", "1e-16383", "1e-16384", "NaN", "Infinity", "-Infinity"),
    *("1e131071", "1e131072", "1e400000", "-1e400000", "1e1000000000000", "[1e400000]", '{"a": 1e400000}', "9" * 131_073),
    *('"x"', '"x', '"\t"', '"\x7f"', '"\\x"', '"\\u12"', '"\\u00e9"', '"\\u0000"', '{"\\u0000": 1}', '{"a": "\\u0000"}'),
    *('"\\ud800"', '"\\udc00"', '"\\ud800x"', '"\\udc00\\ud800"', '"\\ud83d\\ude42"', '"\\ud83d\\u0041"', '"🙂"'),
    *("{}", "[]", "{", "]", '{"a":1}', '{"a": 1, "a": 2}'),
    *('{"a": 1', '{"a": 1,}', "{'a': 1}", "{a: 1}", '{"": null}', "[1, 2"),
    *("1 2", "{} {}", "{}x", "\ufeff{}", "\x0b{}", "\u2028{}", '{"b": 1, "aa": 2}', '{"a": [1.10, {"b": "\\n"}]}'),
    *("[" * 900 + "]" * 900, "[" * 5_000 + "]" * 5_000, "[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000),
    *('"' + "x" * 300_000 + '"', "x" * 300_000, "[" + "[],{}," * 2_000 + "1]", "C:\\new\\u00f1"),
]
UUID = "c0000000-0000-4000-8000-0000000000aB"
UUIDS = [
    *(None, "", UUID, UUID.upper(), UUID.lower(), "{" + UUID + "}"),
    *("{" + UUID, UUID + "}", "{}", UUID.replace("-", ""), UUID[:-1]),
    *(UUID + "0", " " + UUID, UUID + " ", UUID + "\n", UUID + "-"),
    *("-" + UUID, UUID.replace("-", "--"), "g" + UUID[1:], "٣" + UUID[1:]),
    *("c000-0000-0000-4000-8000-0000-0000-00aB", "c0-" + UUID[2:], "c0000000-0000-4000-8000-0000000000a-B"),
]
WHOLE = [0, 1, -1, 9, 10, 70, 71, 999, 1000, 32767, 32768, -32768, -32769, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1]
WHOLE += [2**53 + 1, 2**63 - 1, -(2**63)]
FRACTIONS = [
    *("0.5", "1.5", "2.5", "-0.5", "-1.5", "-2.5", "0.49999999999999994"),
    *("0.005", "0.015", "1.005", "2.675", "999.994", "999.995"),
    *("-999.994", "-999.995", "999.9949999999999", "32767.4", "32767.5", "32766.5", "-32768.4", "-32768.5", "2147483647.4"),
    *("2147483647.5", "-2147483648.5", "-2147483648.51"),
    *("9223372036854775807.4", "9223372036854775807.5", "9223372036854775808"),
    *("-9223372036854775808.5", "9.223372036854775e18", "-9.3e18", "1e15"),
    *("123456789012345.67", "NaN", "Infinity", "-Infinity"),
]
STATUSES = [
    *("active", "inactive", "activo", "inactivo", "ACTIVE", "active "),
    *("activo ", "activo   ", "inactivo   ", "inactivoX", "inactivo\t"),
    *("suspended", "d'oca\\s", "50%'s", "", " ", "text", "texto", "imagen", "vídeo", "x" * 60, None),
]
# Every legacy type that a column of TinkuBot may have, with values that look for the edges of the Spanish types.
SOURCES: dict[str, Sequence[object]] = {
    "text": TEXTS,
    "character varying": TEXTS,
    "character varying(6)": [t for t in TEXTS if t is None or len(t) <= 6],
    "character(8)": [t for t in TEXTS if t is None or len(t) <= 8],
    "letters": [None, "a", "abcde", "abcdef", "abcde ", "null", "ñandú"],
    "citext": TEXTS,
    "name": [t for t in TEXTS if t is None or len(t) < 20],
    "short_text": [t for t in TEXTS if t is None or len(t) <= 10],
    "uuid": [None, UUID],
    "boolean": [None, True, False],
    "date": [None, "infinity", "4713-01-01 BC", "2024-02-29"],
    "json": [None, "null", " null ", "1.0", '{"a": 1, "a": 2}', '"\\u0000"', '"\\ud800"', "1e400000", '{"b":1,  "a":2}'],
    "jsonb": [None, "null", "1.0", "1.00", '{"a": 2}', '"x"', "[null]", '{"n": 123456789012345678901234567890.10}'],
    "smallint": [None, *(n for n in WHOLE if -(2**15) <= n < 2**15)],
    "integer": [None, *(n for n in WHOLE if -(2**31) <= n < 2**31)],
    "bigint": [None, *WHOLE],
    "numeric": [None, *WHOLE, *FRACTIONS, "1e131071", "-1e131071", "1e-16383"],
    "numeric(12,4)": [None, "0.5", "1.5", "-2.5", "32767.5", "99999999.9999", "999.9950", "NaN"],
    "real": [None, *WHOLE, *FRACTIONS, "3.4e38", "1e-45", "16777217"],
    "double precision": [None, *WHOLE, *FRACTIONS, "1.7e308", "5e-324", "0.30000000000000004", "-0.2298500123456789"],
    "timestamp with time zone": [
        *(None, "infinity", "-infinity"),
        *("4713-01-01 00:00+00 BC", "4714-11-24 00:00+00 BC", "294276-12-31 23:59:59.999999+00"),
        *("0001-12-31 23:59:59 BC", "1890-01-01 00:00-05:14", "2024-01-01 00:30-05"),
        *("2024-03-10 02:30-05", "2024-06-01 12:00+14"),
    ],
    "timestamp without time zone": [None, "infinity", "-infinity", "4713-01-01 BC", "294276-12-31 23:59:59.999999", "2024-01-01"],
}
# Dates as text: what the services wrote, what people wrote, and what PostgreSQL makes of either.
DATES = [
    *(None, "", " ", "\t", "2024-06-01T10:00:00", "2024-06-01T10:00:00Z", "2024-06-01T10:00:00.123456-05:00"),
    *(
        "2024-06-01 10:00:00+00",
        "2024-06-01 10:00-05:14:20",
        "2024-06-01 10:00+15:59",
        "2024-06-01 10:00+16",
        "2024-06-01T10:00 Z",
    ),
    *(
        "2024-06-01 10:00:00.1234567",
        "2024-06-01 10:00:00.9999999",
        "2024-06-01 24:00",
        "2024-06-01 25:00",
        "2024-06-01 23:59:60",
    ),
    *(" 2024-06-01 ", "2024-06-01\n", "2024-06-01", "20240601T100000Z", "01/02/2024", "13/02/2024", "2024-13-01", "2024-02-30"),
    *("2023-02-29", "2024-02-29", "10:00", "2024", "1717236000", "J2460463", "Jun 1 2024 10:00 AM", "junio 1 2024", "ayer"),
    *("infinity", "-infinity", " Infinity ", "INF", "epoch", "now", "NOW", "today", "tomorrow", "yesterday 10:00", "allballs"),
    *(
        "4713-01-01 00:00+00 BC",
        "4714-11-24 00:00+00 BC",
        "4714-11-23 23:59:59+00 BC",
        "4713-01-01 BC",
        "0000-01-01",
        "0001-01-01",
    ),
    *("294276-12-31 23:59:59.999999+00", "294276-12-31 23:59:59.999999-05", "294277-01-01 00:00+00", "99999999-01-01"),
    *("2024-06-01 10:00 America/Guayaquil", "2024-06-01 10:00 Nowhere/None", "2024-06-01 10:00 ECT", "2024-06-01 10:00 PST8PDT"),
    *(
        "٢٠٢٤-٠٦-٠١",
        "2024\u201106\u201101",
        "2024-06-01T10:00:00\u00a0Z",
        "null",
        "0",
        "-",
        "'2024-06-01'",
        "2024-06-01; --",
        "%s",
        "1e9",
    ),
]

# Dates as text, by the target schema: '' is none, UTC where no zone stands, a word for the day on which it is read no date.
PLAIN_DATES = """
CREATE OR REPLACE FUNCTION public.fecha(v text) RETURNS timestamp LANGUAGE plpgsql
SET TimeZone = 'UTC' SET DateStyle = 'ISO, MDY' AS $$
BEGIN
  IF v ~* 'now|today|tomorrow|yesterday' THEN RAISE invalid_datetime_format; END IF;
  RETURN pg_catalog.timezone('UTC', nullif(v, '')::pg_catalog.timestamptz);
END $$"""
# What the target schema says of notes as text, by trial instead of by a rule.
PLAIN_NOTES = """
CREATE OR REPLACE FUNCTION public.notas(v text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF v IS NULL OR v::pg_catalog.jsonb = 'null' THEN RETURN '{}'; END IF;
  RETURN v;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
  RETURN json_build_object('texto', v)::jsonb;
END $$"""
