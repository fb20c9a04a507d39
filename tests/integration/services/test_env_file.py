"""The module env_flag on a real file: whole or not at all, and nothing else of it changes."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.jobs.env_flag import restore_flag, write_flag
from plugins.module_utils.services import env_file

pytestmark = pytest.mark.once
BEFORE = b"# clave\nSECRETA='s3creta'\nMIGRATION_MODE=true\n"
AFTER = b"# clave\nSECRETA='s3creta'\nMIGRATION_MODE=false\n"


@pytest.fixture
def env(tmp_path: Path) -> Path:
    path = tmp_path / "servicios" / ".env"
    path.parent.mkdir()
    path.write_bytes(BEFORE)
    path.chmod(0o640)
    return path


@pytest.fixture
def params(tmp_path: Path, env: Path) -> dict[str, Any]:
    more = {"run_id": "prueba", "phase": "fase3", "backup_dir": str(tmp_path / "respaldos")}
    return {"path": str(env), "key": "MIGRATION_MODE", "value": "false", **more}


def test_the_key_changes_and_mode_and_attributes_stay(env: Path, params: dict[str, Any], tmp_path: Path) -> None:
    os.setxattr(env, "user.nota", b"nuestra")
    link = tmp_path / "enlace"
    link.symlink_to(env)
    found = write_flag({**params, "path": str(link)}, False)
    assert found["changed"]
    assert env.read_bytes() == AFTER
    assert stat.S_IMODE(env.stat().st_mode) == 0o640
    assert os.getxattr(env, "user.nota") == b"nuestra"
    assert link.is_symlink()
    assert sorted(path.name for path in env.parent.iterdir()) == [".env"]
    assert not write_flag(params, False)["changed"]


def test_the_copy_is_the_owners_alone_and_the_way_back_puts_it_back(env: Path, params: dict[str, Any], tmp_path: Path) -> None:
    write_flag(params, False)
    (copy,) = (tmp_path / "respaldos").rglob("original")
    assert copy.read_bytes() == BEFORE
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert restore_flag(params, False)["changed"]
    assert env.read_bytes() == BEFORE
    assert restore_flag(params, False) == {"lines": []}


def test_a_dry_run_changes_nothing_and_no_diff_shows_another_key(env: Path, params: dict[str, Any], tmp_path: Path) -> None:
    found = write_flag(params, True)
    assert found["changed"]
    assert env.read_bytes() == BEFORE
    assert not (tmp_path / "respaldos").exists()
    assert "s3creta" not in str(found)
    write_flag(params, False)
    assert "s3creta" not in str(restore_flag(params, True))
    assert env.read_bytes() == AFTER


def test_a_file_with_a_second_name_is_refused_with_both(env: Path, params: dict[str, Any]) -> None:
    os.link(env, env.with_name("otro.env"))
    with pytest.raises(MigrationError, match=r"2 nombres \(.*/\.env y .*/otro\.env\)") as refused:
        write_flag(params, False)
    assert refused.value.code == "refused"
    assert env.read_bytes() == BEFORE


def test_a_mount_point_is_refused(env: Path, params: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"36 35 98:0 / {str(env).replace(' ', chr(92) + '040')} rw - ext4 /dev/x rw\n")
    monkeypatch.setattr(env_file, "MOUNTS", mounts)
    with pytest.raises(MigrationError, match="punto de montaje"):
        write_flag(params, False)
    assert env.read_bytes() == BEFORE


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "lleno"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("this server has no such privilege")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_the_file_as_it_was(tiny: Path, params: dict[str, Any]) -> None:
    env = tiny / ".env"
    env.write_bytes(BEFORE)
    (tiny / "lleno").write_bytes(b"x" * 4096)
    with pytest.raises(MigrationError, match="no queda sitio"):
        write_flag({**params, "path": str(env)}, False)
    assert env.read_bytes() == BEFORE
    assert sorted(path.name for path in tiny.iterdir()) == [".env", "lleno"]


@pytest.mark.parametrize("cut", ["_write_like", "os.replace", "_sync"])
def test_a_run_cut_off_at_any_step_is_completed_by_the_next(
    env: Path, params: dict[str, Any], monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    """What the cut leaves is the file of before or of after, whole."""

    class Cut(BaseException):
        pass

    def cutting(act: Callable[..., Any]) -> Callable[..., Any]:
        def acted(*given: Any) -> Any:
            act(*given)
            raise Cut

        return acted

    with monkeypatch.context() as patched:
        owner, name = (env_file.os, "replace") if "." in cut else (env_file, cut)
        patched.setattr(owner, name, cutting(getattr(owner, name)))
        with pytest.raises(Cut):
            write_flag(params, False)
    assert env.read_bytes() in (BEFORE, AFTER)
    write_flag(params, False)
    assert env.read_bytes() == AFTER
    restore_flag(params, False)
    assert env.read_bytes() == BEFORE


def test_an_edit_in_the_same_moment_is_kept_and_said(env: Path, params: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    write = env_file._write_like

    def and_somebody_edits(*given: Any) -> None:
        write(*given)
        env.write_bytes(BEFORE + b"NUEVA=1\n")

    monkeypatch.setattr(env_file, "_write_like", and_somebody_edits)
    with pytest.raises(MigrationError, match="alguien cambió"):
        write_flag(params, False)
    assert env.read_bytes() == BEFORE + b"NUEVA=1\n"
