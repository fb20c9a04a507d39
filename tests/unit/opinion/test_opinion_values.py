"""One value at a time: what must stand in a Spanish column, by hand from the target schema and from PostgreSQL's manual."""

from __future__ import annotations

import pytest

from plugins.module_utils.core.opinion.dates import ticks_of
from plugins.module_utils.core.opinion.fates import HardJson, Instant, Known, UnfitError, UnknownYetError
from plugins.module_utils.core.opinion.json_text import parsed_json, text_of_key
from plugins.module_utils.core.opinion.numbers import lies_within
from plugins.module_utils.core.opinion.values import converted, default_value

VARCHAR, TIMESTAMP, TIMESTAMPTZ = "character varying", "timestamp without time zone", "timestamp with time zone"
FAMILY = "👩\u200d👧"  # three characters


def said(base: str, type_: str, text: str, zone: str | None = None, codec: str = "utf-8") -> str:
    """The value, or the SQLSTATE of its refusal."""
    try:
        return converted(base, type_, text, Known(), zone=zone, codec=codec)
    except UnfitError as unfit:
        return unfit.sqlstate


TEXTS = [
    ("text", "", ""),
    ("text", "abcde", "abcde"),
    ("text", "abcde    ", "abcde"),
    ("text", "abc   ", "abc  "),
    ("text", "abcdef", "22001"),
    ("text", "abcde\t", "22001"),
    ("text", "abcde \t", "22001"),
    ("text", "abcde\u00a0", "22001"),
    ("text", "ñandú   ", "ñandú"),
    ("text", FAMILY + "ab  ", FAMILY + "ab"),
    ("text", FAMILY + FAMILY, "22001"),
    ("citext", "AbC", "AbC"),
    ("name", "abcdef", "22001"),
    ("enum", "abcde ", "abcde"),
    ("character", "abc", "abc"),
    ("integer", "12345", "12345"),
    ("bigint", "-12345", "22001"),
    ("uuid", "c0000000-0000-4000-8000-000000000001", "22001"),
]


@pytest.mark.parametrize(("base", "text", "stored"), TEXTS)
def test_a_text_fits_or_is_cut_only_where_blanks_are_lost(base: str, text: str, stored: str) -> None:
    assert said(base, f"{VARCHAR}(5)", text) == stored


def test_a_text_without_a_length_stays_and_a_padded_one_shows_no_blanks() -> None:
    assert said("text", "text", "a  \n") == "a  \n"
    assert said("text", VARCHAR, " " * 300_000) == " " * 300_000
    assert said("text", "character(5)", "ab   ") == "ab"
    assert said("text", "character(5)", "abcdef") == "22001"


NUMBERS = [
    # a numeric rounds half away from zero
    ("numeric", "integer", "0.5", "1"),
    ("numeric", "integer", "-0.5", "-1"),
    ("numeric", "integer", "2.5", "3"),
    ("numeric", "integer", "-0.4", "0"),
    ("numeric", "smallint", "32767.4", "32767"),
    ("numeric", "smallint", "32767.5", "22003"),
    ("numeric", "smallint", "-32768.5", "22003"),
    ("numeric", "bigint", "9223372036854775807.4", "9223372036854775807"),
    ("numeric", "bigint", "9223372036854775807.5", "22003"),
    ("numeric", "integer", "NaN", "22003"),
    ("numeric", "integer", "-Infinity", "22003"),
    ("numeric", "numeric(3,2)", "4.995", "5.00"),
    ("numeric", "numeric(3,2)", "9.995", "22003"),
    ("numeric", "numeric(3,2)", "-9.994", "-9.99"),
    ("numeric", "numeric(10,2)", "10.555", "10.56"),
    ("numeric", "numeric(10,2)", "-0.001", "0.00"),
    ("numeric", "numeric(5,2)", "NaN", "NaN"),
    ("numeric", "numeric(5,2)", "Infinity", "22003"),
    ("numeric", "numeric(5,2)", "1" + "0" * 131_071, "22003"),
    ("numeric", "numeric(2,2)", "0.994", "0.99"),
    ("numeric", "numeric(2,2)", "0.995", "22003"),
    ("numeric", "numeric", "1.500", "1.500"),
    ("numeric", "numeric", "Infinity", "Infinity"),
    # a float half to even, and into a numeric with the digits of which it is certain
    ("double precision", "integer", "0.5", "0"),
    ("double precision", "integer", "1.5", "2"),
    ("double precision", "integer", "2.5", "2"),
    ("double precision", "integer", "-2.5", "-2"),
    ("double precision", "smallint", "32767.5", "22003"),
    ("double precision", "smallint", "32766.5", "32766"),
    ("double precision", "bigint", "9.223372036854775e+18", "9223372036854774784"),
    ("double precision", "bigint", "9.223372036854776e+18", "22003"),
    ("double precision", "integer", "NaN", "22003"),
    ("double precision", "numeric", "0.30000000000000004", "0.3"),
    ("double precision", "numeric", "123456789012345.67", "123456789012346"),
    ("double precision", "numeric", "1e+20", "100000000000000000000"),
    ("double precision", "numeric", "1.5e-07", "0.00000015"),
    ("double precision", "numeric", "-Infinity", "-Infinity"),
    ("double precision", "numeric(10,8)", "-0.2298500123456789", "-0.22985001"),
    ("double precision", "numeric(11,8)", "-78.5", "-78.50000000"),
    ("double precision", "numeric(10,8)", "180", "22003"),
    ("real", "numeric", "16777217", "16777200"),
    ("real", "numeric", "0.1", "0.1"),
    ("real", "integer", "2.5", "2"),
    ("real", "real", "1e-45", "1e-45"),
    # whole numbers
    ("bigint", "integer", "2147483648", "22003"),
    ("bigint", "integer", "-2147483648", "-2147483648"),
    ("integer", "numeric(5,2)", "999", "999.00"),
    ("integer", "numeric(5,2)", "1000", "22003"),
    ("smallint", "numeric", "7", "7"),
]


@pytest.mark.parametrize(("base", "type_", "text", "stored"), NUMBERS, ids=range(len(NUMBERS)))
def test_a_number_is_rounded_as_insert_does_or_refused(base: str, type_: str, text: str, stored: str) -> None:
    assert said(base, type_, text) == stored


@pytest.mark.parametrize(
    ("text", "minimum", "maximum", "inside"),
    [
        ("0", 0, 70, True),
        ("70", 0, 70, True),
        ("71", 0, 70, False),
        ("-1", 0, None, False),
        ("5.01", 0, 5, False),
        ("5.00", 0, 5, True),
        ("NaN", 0, None, True),
        ("NaN", None, 5, False),
        ("Infinity", 0, None, True),
        ("-Infinity", 0, None, False),
    ],
)
def test_bounds_belong_to_what_they_bound_and_nan_is_above_every_number(
    text: str, minimum: int | None, maximum: int | None, inside: bool
) -> None:
    assert lies_within(text, minimum, maximum) is inside


UUID = "c0000000-0000-4000-8000-0000000000ab"
UUIDS = [
    (UUID.upper(), UUID),
    ("{" + UUID + "}", UUID),
    (UUID.replace("-", ""), UUID),
    ("c000-0000-0000-4000-8000-0000-0000-00ab", UUID),
    ("{" + UUID, "22P02"),
    (UUID + "}", "22P02"),
    (" " + UUID, "22P02"),
    (UUID + "\n", "22P02"),
    (UUID + "-", "22P02"),
    (UUID.replace("-", "--"), "22P02"),
    ("c0-" + UUID[2:], "22P02"),
    ("٣" + UUID[1:], "22P02"),
    ("", "22P02"),
]


@pytest.mark.parametrize(("text", "stored"), UUIDS)
def test_a_uuid_has_many_spellings_and_one_form(text: str, stored: str) -> None:
    assert said("text", "uuid", text) == stored


DATES = [
    ("2024-06-01T10:00:00Z", "2024-06-01 10:00:00"),
    ("2024-06-01T10:00:00", "2024-06-01 10:00:00"),
    ("2024-06-01 10:00:00.120-05:00", "2024-06-01 15:00:00.12"),
    ("2024-12-31 23:30-05", "2025-01-01 04:30:00"),
    ("2024-03-01 00:30+0530", "2024-02-29 19:00:00"),
    ("2024-02-29", "2024-02-29 00:00:00"),
    ("2023-02-29", "22007"),
    ("1900-02-29", "22007"),
    ("2000-02-29", "2000-02-29 00:00:00"),
    ("2024-13-01", "22007"),
    ("2024-06-00", "22007"),
    ("9999-12-31 23:00-05", "10000-01-01 04:00:00"),
    ("0001-01-01 00:00+05", "0001-12-31 19:00:00 BC"),
    ("now", "22007"),
    ("Today", "22007"),
    ("yesterday 10:00", "22007"),
]


@pytest.mark.parametrize(("text", "stored"), DATES)
def test_a_text_date_in_iso_form_is_an_instant_in_utc(text: str, stored: str) -> None:
    assert said("text", TIMESTAMP, text) == stored


@pytest.mark.parametrize("text", ["2024-06-01 24:00", "2024-06-01 23:59:60", "June 1 2024", "infinity", " 2024-06-01", "ayer"])
def test_any_other_spelling_of_a_date_is_asked_and_what_the_server_says_holds(text: str) -> None:
    with pytest.raises(UnknownYetError) as asked:
        converted("text", TIMESTAMP, text, Known())
    assert asked.value.needs == {Instant(text)}
    known = Known()
    known.learn({}, {Instant(text): "2024-06-02 00:00:00"})
    assert converted("text", TIMESTAMP, text, known) == "2024-06-02 00:00:00"
    known.learn({}, {Instant(text): None})
    with pytest.raises(UnfitError, match="22007"):
        converted("text", TIMESTAMP, text, known)


TIMES = [
    (TIMESTAMPTZ, None, "2024-01-01 05:30:00+00", "2024-01-01 05:30:00"),
    (TIMESTAMPTZ, "America/Guayaquil", "2024-01-01 05:30:00.5+00", "2024-01-01 05:30:00.5"),
    (TIMESTAMPTZ, None, "4713-01-01 00:00:00+00 BC", "4713-01-01 00:00:00 BC"),
    (TIMESTAMPTZ, None, "-infinity", "-infinity"),
    (TIMESTAMP, "UTC", "2026-11-20 21:30:00", "2026-11-20 21:30:00"),
    (TIMESTAMP, "America/Guayaquil", "2026-11-20 21:30:00", "2026-11-21 02:30:00"),
    (TIMESTAMP, "America/Guayaquil", "infinity", "infinity"),
    (TIMESTAMP, "America/Guayaquil", "1890-01-01 00:00:00", "1890-01-01 05:19:20"),
    (TIMESTAMP, "America/Guayaquil", "1890-01-02 00:00:00", "1890-01-02 05:14:00"),
    (TIMESTAMP, "America/New_York", "2026-11-01 01:30:00", "2026-11-01 06:30:00"),  # comes twice: standard time
    (TIMESTAMP, "America/New_York", "2026-03-08 02:30:00", "2026-03-08 07:30:00"),  # never comes
    (TIMESTAMP, "America/New_York", "2026-07-01 12:00:00", "2026-07-01 16:00:00"),
    (TIMESTAMP, "Pacific/Kiritimati", "2026-01-01 00:00:00", "2025-12-31 10:00:00"),
    (TIMESTAMP, "America/Guayaquil", "20000-01-01 00:00:00", "20000-01-01 05:00:00"),
    (TIMESTAMP, "America/Guayaquil", "294276-12-31 23:59:59", "22008"),
    (TIMESTAMP, "Asia/Tokyo", "4714-11-24 23:59:59 BC", "22008"),
    (TIMESTAMP, "Asia/Tokyo", "4714-11-25 10:00:00 BC", "4714-11-25 00:41:01 BC"),
    (TIMESTAMP, "Asia/Tokyo", "294276-12-30 23:59:59.999999", "294276-12-30 14:59:59.999999"),
]


@pytest.mark.parametrize(("base", "zone", "text", "stored"), TIMES)
def test_a_time_is_kept_in_utc_by_whatever_clock_it_was_written(base: str, zone: str | None, text: str, stored: str) -> None:
    assert said(base, TIMESTAMP, text, zone) == stored


def test_instants_are_ordered_across_the_year_zero() -> None:
    times = ["4713-01-01 00:00:00 BC", "0001-12-31 23:59:59.999999 BC", "0001-01-01 00:00:00", "2024-02-29", "294276-12-31"]
    assert sorted(times, key=ticks_of) == times


JSONS = [
    (' {"b":1,  "aa":2, "a":3}', '{"a": 3, "b": 1, "aa": 2}'),
    ('{"a": 1, "b": 2, "a": {"c": []}}', '{"a": {"c": []}, "b": 2}'),
    ('{"ñ": 1, "zz": 2, "zza": 3, "é": 4}', '{"zz": 2, "é": 4, "ñ": 1, "zza": 3}'),
    ("[1.10, 1e5, 1.5e1, -0, 1e-7, 0.00]", "[1.10, 100000, 15, 0, 0.0000001, 0.00]"),
    ("[ [ ] , { } ]", "[[], {}]"),
    ("\t\n\r null ", "null"),
    (r'"\u00e9\ud83d\ude42\/\b\f\n\r\t\"\\\u0001"', '"é🙂/\\b\\f\\n\\r\\t\\"\\\\\\u0001"'),
    ('"\x7f\u2028"', '"\x7f\u2028"'),
    ("1e-16383", "0." + "0" * 16_382 + "1"),
    ("1e131071", "1" + "0" * 131_071),
    ("9" * 5_000, "9" * 5_000),
]
NO_JSON = [
    *(
        "",
        " ",
        "nul",
        "nulll",
        "Null",
        "tru",
        "'a'",
        "{a: 1}",
        '{"a": 1,}',
        "[1,]",
        "[,]",
        "{,}",
        '{"a"}',
        '{"a":}',
        "{} {}",
        "1 2",
    ),
    *("01", "1.", ".5", "+1", "-", "1e", "NaN", "Infinity", "1x", "[1", "]", "{", '{"a": 1]', "[1}", "\ufeff{}", "\x0bnull"),
    *('"\t"', '"x', r'"\x"', r'"\u12"', r'"\u0000"', r'{"\u0000": 1}', r'"\ud800"', r'"\udc00\ud800"', r'"\ud83d\u0041"'),
    *("1e131072", "1e-16384", "[1e400000]", "1e1000000000000", '{"a": 1 "b": 2}', "٣", "\u00a0null", '{"a": 1, 2: 3}'),
]


@pytest.mark.parametrize(("text", "stored"), JSONS, ids=range(len(JSONS)))
def test_json_is_written_as_jsonb_writes_it(text: str, stored: str) -> None:
    assert said("text", "jsonb", text) == stored
    assert said("json", "jsonb", text) == stored


@pytest.mark.parametrize("text", NO_JSON)
def test_what_jsonb_refuses_is_no_json(text: str) -> None:
    assert said("text", "jsonb", text) == "22P02"


def test_an_escape_that_the_encoding_cannot_hold_is_no_json() -> None:
    assert said("text", "jsonb", r'"\u20ac"', codec="iso8859_1") == "22P02"
    assert said("text", "jsonb", r'"\u00f1"', codec="iso8859_1") == '"ñ"'


@pytest.mark.parametrize("hard", ["[" * 20_000 + "]" * 20_000, "[" + "1," * 500_000 + "2]"], ids=["deep", "long"])
def test_what_becomes_of_a_document_that_is_deep_or_long_is_asked_of_the_server(hard: str) -> None:
    with pytest.raises(UnknownYetError) as asked:
        converted("text", "jsonb", hard, Known())
    assert asked.value.needs == {HardJson(hard)}
    known = Known()
    known.learn({}, {HardJson(hard): "as it writes it"})
    assert converted("text", "jsonb", hard, known) == "as it writes it"
    known.learn({}, {HardJson(hard): None})
    with pytest.raises(UnfitError):
        converted("text", "jsonb", hard, known)


def test_a_document_that_is_not_deep_or_none_at_all_is_judged_here() -> None:
    assert said("text", "jsonb", "[" * 900 + "]" * 900) == "[" * 900 + "]" * 900
    assert said("text", "jsonb", "[" * 100_000) == "22P02"


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ('{"phone": "593"}', "593"),
        ('{"phone": ""}', ""),
        ('{"phone": 5.0}', "5.0"),
        ('{"phone": [1,{"b":"x"}]}', '[1, {"b": "x"}]'),
        ('{"phone": true}', "true"),
        ('{"phone": null}', None),
        ('{"Phone": "593"}', None),
        ('["phone"]', None),
        ('"phone"', None),
    ],
)
def test_the_text_under_a_key(document: str, text: str | None) -> None:
    assert text_of_key(parsed_json(document), "phone") == text


@pytest.mark.parametrize(
    ("type_", "text", "stored"),
    [
        ("boolean", "no", "false"),
        ("integer", "0", "0"),
        ("integer", "+3", "3"),
        ("numeric(3,2)", "5", "5.00"),
        ("jsonb", "{}", "{}"),
        (f"{VARCHAR}(20)", "activo", "activo"),
        (TIMESTAMP, "2020-01-01", "2020-01-01 00:00:00"),
        (TIMESTAMPTZ, "2020-01-01 00:00-05", "2020-01-01 05:00:00+00"),
    ],
)
def test_a_value_that_the_mapping_says_itself_is_stored_as_its_column_writes_it(type_: str, text: str, stored: str) -> None:
    assert default_value(type_, text, Known()) == stored


@pytest.mark.parametrize(("base", "type_"), [("text", "integer"), ("boolean", "text"), ("integer", "boolean"), ("jsonb", "text")])
def test_a_type_that_does_not_become_the_other_is_no_value_at_all(base: str, type_: str) -> None:
    with pytest.raises(ValueError, match="does not become"):
        converted(base, type_, "1", Known())
