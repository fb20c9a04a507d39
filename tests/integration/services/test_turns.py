"""One service after the other moves to what .env says, and back, with real containers."""

from __future__ import annotations

import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.compose import IMAGE, NAMED, STAY, Compose

pytestmark = [pytest.mark.once, pytest.mark.containers, pytest.mark.slow]


def test_each_service_gets_a_new_container_and_the_way_back_another(project: Compose) -> None:
    project.write({"ai": {**NAMED, "container_name": f"{project.name}-x"}, "otro": {"image": IMAGE, "command": STAY}})
    project.up()
    before = project.ids()
    project.switch()
    assert project.modes() == {"ai": "false", "otro": ""}
    after = project.ids()
    assert after["otro"] == before["otro"]
    assert after["ai"] != before["ai"]
    project.up()
    assert project.ids() == after
    project.back()
    assert project.modes() == {"ai": "true", "otro": ""}
    assert project.env.read_text() == "MIGRATION_MODE=true\n"
    back = project.ids()
    project.up()
    assert project.ids() == back


def test_a_second_copy_runs_beside_the_first_where_both_may(project: Compose) -> None:
    project.write({"web": NAMED})
    project.up()
    (old,) = project.ids()["web"]
    entry = {"migration_services": [{"name": "web", "singleton": False}]}
    project.switch(**entry)
    assert project.modes() == {"web": "false"}
    assert project.ids()["web"] != [old]
    after = project.ids()
    project.up()
    assert project.ids() == after
    project.back(**entry)
    assert project.modes() == {"web": "true"}


def test_a_service_that_loops_with_the_new_value_is_named_and_goes_back(project: Compose) -> None:
    looping = ["sh", "-c", "[ $$MIGRATION_MODE = true ] || exit 3; trap 'exit 0' TERM; while :; do sleep 0.1; done"]
    project.write({"a": NAMED, "b": {**NAMED, "command": looping, "restart": "unless-stopped"}})
    project.up()
    with pytest.raises(MigrationError, match="b: se reinicia una y otra vez") as failed:
        project.switch()
    assert failed.value.code == "service"
    project.back()
    assert project.modes() == {"a": "true", "b": "true"}
    assert {name: len(ids) for name, ids in project.ids().items()} == {"a": 1, "b": 1}
