"""The bytes of .env: one key's value changes, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils.core.services.env_text import (
    EnvSyntaxError,
    env_entries,
    env_value,
    restored,
    with_value,
)

KEY = "MIGRATION_MODE"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("MIGRATION_MODE=true\n", "MIGRATION_MODE=false\n"),
        ("A=1\nMIGRATION_MODE=true", "A=1\nMIGRATION_MODE=false"),
        ("MIGRATION_MODE = true \n", "MIGRATION_MODE = false \n"),
        ("MIGRATION_MODE: true\n", "MIGRATION_MODE: false\n"),
        ("export MIGRATION_MODE=true\r\nB=2\r\n", "export MIGRATION_MODE=false\r\nB=2\r\n"),
        ("MIGRATION_MODE='true' # por ahora\n", "MIGRATION_MODE='false' # por ahora\n"),
        ('MIGRATION_MODE="true"\n', 'MIGRATION_MODE="false"\n'),
        ("MIGRATION_MODE=true # por ahora\n", "MIGRATION_MODE=false # por ahora\n"),
        ("MIGRATION_MODE=\n", "MIGRATION_MODE=false\n"),
        ("MIGRATION_MODE\n", "MIGRATION_MODE=false\n"),
        ("\xef\xbb\xbfMIGRATION_MODE=true\n", "\xef\xbb\xbfMIGRATION_MODE=false\n"),
        ("N='se\xf1or'\nMIGRATION_MODE=true\n", "N='se\xf1or'\nMIGRATION_MODE=false\n"),
        ("MIGRATION_MODE=a\nMIGRATION_MODE=true\n", "MIGRATION_MODE=a\nMIGRATION_MODE=false\n"),
        ('P="uno\nMIGRATION_MODE=true\ndos"\nMIGRATION_MODE=true\n', 'P="uno\nMIGRATION_MODE=true\ndos"\nMIGRATION_MODE=false\n'),
        ("#MIGRATION_MODE=true\n", "#MIGRATION_MODE=true\nMIGRATION_MODE=false\n"),
        ("A=1", "A=1\nMIGRATION_MODE=false\n"),
        ("A=1\r\nB=2", "A=1\r\nB=2\r\nMIGRATION_MODE=false\r\n"),
        ("", "MIGRATION_MODE=false\n"),
        ("NOT_MIGRATION_MODE=true\nMIGRATION_MODE_X=1\n", "NOT_MIGRATION_MODE=true\nMIGRATION_MODE_X=1\nMIGRATION_MODE=false\n"),
        ('A="x\\"MIGRATION_MODE=true"\nMIGRATION_MODE=true\n', 'A="x\\"MIGRATION_MODE=true"\nMIGRATION_MODE=false\n'),
    ],
)
def test_the_value_changes_and_no_other_byte(before: str, after: str) -> None:
    change = with_value(before.encode("latin-1"), KEY, "false")
    assert change.data.decode("latin-1") == after
    assert env_value(change.data, KEY) == "false"
    assert with_value(change.data, KEY, "false").data == change.data


def test_the_way_back_is_byte_for_byte() -> None:
    for original in (b"MIGRATION_MODE='TRUE' # x\r\nA=1", b"A=1", b"export MIGRATION_MODE = yes", b"MIGRATION_MODE\n"):
        written = with_value(original, KEY, "false").data
        assert restored(written, original, written, KEY) == original


def test_what_others_edited_since_the_switch_stays_on_the_way_back() -> None:
    original, edited = b"A=1\nMIGRATION_MODE=TRUE\n", b"A=2\nMIGRATION_MODE=false\nB=3\n"
    assert restored(edited, original, with_value(original, KEY, "false").data, KEY) == b"A=2\nMIGRATION_MODE=TRUE\nB=3\n"
    assert restored(b"A=2\nMIGRATION_MODE=false\n", b"A=1\n", b"A=1\nMIGRATION_MODE=false\n", KEY) == b"A=2\n"


def test_other_assignments_of_the_key_and_those_who_take_it_are_named() -> None:
    change = with_value(
        b"MIGRATION_MODE=a\nX=${MIGRATION_MODE}\nY='$MIGRATION_MODE'\nZ=\"$MIGRATION_MODE\"\nMIGRATION_MODE=b\n", KEY, "false"
    )
    assert change.ignored == (1,)
    assert change.referring == ("X", "Z")
    assert change.before == "b"
    assert not change.added


@pytest.mark.parametrize(("text", "line"), [(b"A=1\n=2\n", 2), (b'A="1\n', 1), (b"A=1\n\nB ? 2\n", 3)])
def test_what_compose_cannot_read_either_is_refused_with_its_line(text: bytes, line: int) -> None:
    with pytest.raises(EnvSyntaxError, match=f"línea {line}:"):
        env_entries(text)


@pytest.mark.parametrize("value", ["", "a b", "x'", "$A", "a\nb"])
def test_a_value_that_would_not_read_the_same_under_every_quote_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="se espera un valor"):
        with_value(b"", KEY, value)


_names = st.from_regex(r"[A-Z][A-Z0-9_]{0,5}", fullmatch=True) | st.just(KEY)
_spaces = st.text(" \t", max_size=2)
_inner = st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\"'\\\x85\xa0"), max_size=8)
_values = st.one_of(
    _inner.filter(lambda text: not text.startswith(("'", '"'))),
    st.builds("'{}'".format, st.text("ab \n=#:MIGRATION_MODE", max_size=20)),
    st.builds('"{}"'.format, st.text("ab \n=#:", max_size=20).map(lambda text: text + '\\"' + text)),
)
_assignments = st.builds(
    "{}{}{}{}{}{}{}".format, st.sampled_from(["", "export "]), _names, _spaces, st.sampled_from("=:"), _spaces, _values, _spaces
)
_lines = st.one_of(_assignments, _names, st.just(""), st.builds("#{}".format, _inner), st.just("# MIGRATION_MODE=true"))
_files = st.builds(
    lambda bom, lines, end, last: (bom + end.join(lines) + (end if last else "")).encode("latin-1"),
    st.sampled_from(["", "\xef\xbb\xbf"]),
    st.lists(_lines, max_size=8),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)


@given(_files)
def test_a_generated_file_reads_the_same_but_for_the_key(data: bytes) -> None:
    before = [(e.key, e.value) for e in env_entries(data)]
    change = with_value(data, KEY, "false")
    after = [(e.key, e.value) for e in env_entries(change.data)]
    assert env_value(change.data, KEY) == "false"
    assert [pair for pair in after if pair[0] != KEY] == [pair for pair in before if pair[0] != KEY]
    own = [pair for pair in before if pair[0] == KEY]
    assert [pair for pair in after if pair[0] == KEY] == [*own[:-1], (KEY, "false")]
    assert restored(change.data, data, change.data, KEY) == data
