"""Files that break tools: read and rewritten byte for byte, or listed with the reason, and the others done all the same."""

from __future__ import annotations

import codecs
import os
import signal

import pytest

from plugins.module_utils.rewrite import scan
from plugins.module_utils.rewrite.isolated import scan_isolated
from plugins.module_utils.rewrite.scan import FileResult
from tests.support.rewriting import targets

HEAD = 'from supabase import create_client\nsb = create_client("u", "k")\n'
USE = 'sb.table("customers").select("city").execute()\n'
NEW = 'sb.table("clientes").select("city:ciudad").execute()\n'
SURE = (HEAD + USE).encode()


def looked(**files: bytes) -> dict[str, FileResult]:
    return scan_isolated({name.replace("_", "."): data for name, data in files.items()}, targets("tinkubot"))


def reasons(result: FileResult) -> set[str]:
    return {finding.reason for finding in result.findings if finding.kind == "pendiente"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((HEAD + USE).replace("\n", "\r\n").encode(), (HEAD + NEW).replace("\n", "\r\n").encode()),
        (codecs.BOM_UTF8 + SURE, codecs.BOM_UTF8 + (HEAD + NEW).encode()),
        (
            ("# -*- coding: latin-1 -*-\n# año\n" + HEAD + USE).encode("latin-1"),
            ("# -*- coding: latin-1 -*-\n# año\n" + HEAD + NEW).encode("latin-1"),
        ),
        (("# ñandú 🦤\n" + HEAD + USE + "x = 'ñ'  # fin").encode(), ("# ñandú 🦤\n" + HEAD + NEW + "x = 'ñ'  # fin").encode()),
        ((HEAD + "\f\n" + USE + "if 1:\n\tpass  \n\n\n").encode(), (HEAD + "\f\n" + NEW + "if 1:\n\tpass  \n\n\n").encode()),
        ((HEAD + USE).rstrip().encode(), (HEAD + NEW).rstrip().encode()),
    ],
    ids=["crlf", "mark", "latin-1", "unicode", "form-feed-and-tabs", "no-final-newline"],
)
def test_bytes_outside_the_edits_stay(before: bytes, after: bytes) -> None:
    assert looked(a_py=before)["a.py"].data == after


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"print 'x'\nsb.table('users').select('*')\n", "unreadable"),
        (b"x = 'users'\ry = 1\r", "unreadable"),
        (b"\xff\xfe" + "x = 'users'".encode("utf-16-le") + b" users", "encoding"),
        (b"# users \xe9\n", "encoding"),
        (b"x = 'users'\n" + b"#" * 600_000, "too_large"),
        (b"x = " + b"(" * 19_000 + b"'users'" + b")" * 19_000, "too_large"),
        (b"x = (\n" + b"(\n" * 20_000 + b"'users'" + b")\n" * 20_000 + b")", "unreadable"),
        (b"x = 'users' + " + b"'a' + \\\n" * 4_000 + b"'b'\n", "unreadable"),
    ],
    ids=["python-2", "lone-cr", "utf-16", "no-utf-8", "large", "one-long-line", "brackets", "joined"],
)
def test_what_cannot_be_read_is_listed_and_the_others_are_done(data: bytes, reason: str) -> None:
    found = looked(a_py=data, b_py=SURE)
    assert reason in reasons(found["a.py"])
    assert found["a.py"].data is None
    assert found["b.py"].data == (HEAD + NEW).encode()


@pytest.mark.parametrize("end", [lambda: os.kill(os.getpid(), signal.SIGSEGV), lambda: signal.pause()], ids=["crash", "hang"])
def test_a_parser_that_dies_or_hangs_costs_its_file_alone(monkeypatch: pytest.MonkeyPatch, end: object) -> None:
    read = scan.read_python

    def reading(path: str, text: str) -> object:
        return end() if path == "a.py" else read(path, text)  # type: ignore[operator]

    monkeypatch.setattr(scan, "read_python", reading)
    found = scan_isolated({"a.py": SURE, "b.py": SURE}, targets("tinkubot"), patience=2)
    assert reasons(found["a.py"]) == {"unreadable", "text_use"}
    assert found["b.py"].data == (HEAD + NEW).encode()


def test_a_file_without_an_edit_is_none() -> None:
    assert looked(a_py=b"x = 1\n", c_js=b"Array.from('users')\n") == {}


@pytest.mark.slow
def test_ten_thousand_files_are_looked_at_in_a_minute() -> None:
    filler = "def f(a):\n    return [x + 1 for x in a if x]\n\n\n" * 170
    files = {f"f{n}.py": (filler + (HEAD + USE if n % 20 == 0 else "")).encode() for n in range(10_000)}
    started = os.times()
    found = scan_isolated(files, targets("tinkubot"))
    ended = os.times()
    assert sum(result.data is not None for result in found.values()) == 500
    assert ended.children_user - started.children_user < 60
