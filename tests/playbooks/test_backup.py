"""respaldo.yml and the backups of the phases, as an operator calls them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.databases import Database
from tests.support.named import commands_in
from tests.support.playbook import PlaybookRun, Playbooks

NAME = re.compile(r"completo-\d{8}T\d{6}Z-[0-9a-f]{12}")


def backups(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "respaldos").iterdir() if not path.name.startswith("registros"))


@pytest.mark.names("core/phase/summary.backup_line")
def test_a_phase_takes_its_backup_names_it_and_what_was_damaged_is_refused(
    new_database: Callable[..., Database], playbooks: Callable[..., Playbooks], tmp_path: Path
) -> None:
    database = new_database(rows=100)
    operator = playbooks(database.url)

    def ended(run: PlaybookRun, rc: int = 0) -> str:
        assert run.rc == rc, run.output
        return run.output

    said = ended(operator.run("fase0", backup_max_hours=24))
    (name,) = set(NAME.findall(said))
    assert set(backups(tmp_path)) == {".respaldo.lock", name}
    assert database.value("SELECT detalle ->> 'nombre' FROM migracion.evento WHERE tipo = 'respaldo'") == name
    ((_, playbook, *options),) = [words for words in commands_in(said) if "respaldo" in words[1]]
    assert f"Respaldo: sirve {name}" in ended(operator.run("fase1", "--check", backup_max_hours=24))
    again = ended(operator.run(Path(playbook).stem, *options[options.index("--tags") :]))
    assert re.search(rf"  verificado: \d+ tablas y .* de {name}", again)

    (file,) = list((tmp_path / "respaldos" / name / "datos").glob("toc.dat"))
    file.write_bytes(file.read_bytes()[:-1])
    assert "datos/toc.dat: tiene" in ended(operator.run("respaldo", "--tags", "verify"), 2)
    assert f"{name}: malo" in ended(operator.run("respaldo", "--tags", "list"))
    shutil.rmtree(tmp_path / "respaldos" / name)
    assert "No hay ningún respaldo verificado" in ended(operator.run("respaldo", "--tags", "verify"), 2)
