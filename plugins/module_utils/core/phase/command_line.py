"""The command line, as the guard judges it and as the summary repeats it. Pure."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from ..words import nearest

RUNNER = "migration_runner"
PHASE_TAGS = (("all",), ("verify",), ("rollback",))
BACKUP_TAGS = (("all",), ("verify",), ("restore",), ("list",), ("prune",))
STATUS_TAGS = (
    ("all",),
    ("estado",),
    ("cuarentena",),
    ("cuarentena", "estado"),
    ("apartada",),
    ("parar",),
    ("sincronizacion",),
    ("drenar",),
)

# How the jobs, which do not know the command line, name a command.
PLAYBOOK = re.compile(r"(?:ansible-playbook )?(?<![\w/.-])(fase\d|estado)\.yml\b(?! -i )")
SAME = re.compile(r",? (?:con|y) el mismo -i\b")


@dataclass(frozen=True)
class Invocation:
    """What ansible-playbook was called with. ``runners``: the hosts of the group, None when there is no such group.

    Ansible ends with 0 when nothing is selected (a mistyped tag, a limit, a missing group): each of these is refused.
    """

    run_tags: tuple[str, ...]
    public_tags: tuple[tuple[str, ...], ...]
    skip_tags: tuple[str, ...] = ()
    limit: str = ""
    start_at: str = ""
    inventories: tuple[str, ...] = ()
    missing_inventories: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()  # folders of sites in the one that was given
    runners: tuple[str, ...] | None = None

    def problems(self) -> list[str]:
        """One Spanish sentence for each thing that must not be."""
        found = [*self._selection(), *self._inventory()]
        given = tuple(sorted(self.run_tags))  # ansible gives a set: without order
        if given not in self.public_tags:
            public = list(dict.fromkeys(tag for tags in self.public_tags for tag in tags if tag != "all"))
            wrong = [tag for tag in given if tag not in public]
            hint = nearest(wrong[0], public) if wrong else ""
            found.append(
                f"--tags {','.join(given)}: no se puede{hint or '.'} Se llama sin --tags, o con uno solo de: {', '.join(public)}"
            )
        return found

    def _selection(self) -> list[str]:
        found = []
        if self.limit:
            found.append(f"--limit {self.limit}: no se puede limitar una fase a una parte de las máquinas")
        if self.skip_tags:
            found.append(f"--skip-tags {','.join(self.skip_tags)}: ninguna parte de una fase se puede saltar")
        if self.start_at:
            found.append("--start-at-task: una fase se llama entera; continúa por sí misma donde quedó")
        return found

    def _inventory(self) -> list[str]:
        if self.missing_inventories:
            return [f"-i {name}: ese inventario no existe" for name in self.missing_inventories]
        if len(self.inventories) > 1 or self.sites or any("," in name for name in self.inventories):
            several = ", ".join(self.sites or self.inventories)
            return [
                f"Un solo sitio por orden, y aquí hay varios ({several}): los ajustes de uno taparían los de otro, sus puertas "
                "también. Llame con uno, por ejemplo -i prod, sin lista en ANSIBLE_INVENTORY ni en ansible.cfg"
            ]
        if self.runners is None:
            given = f"-i {' -i '.join(self.inventories)}" if self.inventories else "Sin -i"
            return [f"{given}: el inventario no tiene el grupo {RUNNER}. Pruebe -i demo, -i staging o -i prod"]
        if len(self.runners) != 1:
            return [
                f"El grupo {RUNNER} debe tener exactamente una máquina y tiene {len(self.runners)} "
                f"({', '.join(self.runners) or 'ninguna'})"
            ]
        return []


@dataclass(frozen=True)
class Command:
    """How this run was called, to say how to call the next: same -i, same vault options, and of -e what lasts."""

    playbook: str
    options: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    playbooks: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()  # own settings that were given for this run alone
    others_by_extra: bool = False  # whether more was given by -e that is not repeated

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Command:
        """From the parameters of a module."""
        return cls(
            str(facts.get("playbook", "fase.yml")),
            tuple(facts.get("options", ())),
            tuple(facts.get("extra", ())),
            tuple(facts.get("playbooks", ())),
            tuple(facts.get("dropped", ())),
            bool(facts.get("others_by_extra", False)),
        )

    def text(self, name: str, tags: str = "", more: Sequence[str] = (), without: Sequence[str] = ()) -> str:
        """The command for the playbook of that name ('fase2', 'estado'), quoted for a shell; only fase2 takes a subfase."""
        without = without if name == "fase2" else (*without, "subfase")
        extra = [cleaned for raw in self.extra if (cleaned := clean_extra(raw, lambda given: given not in without))]
        words = ["ansible-playbook", self._sibling(name), *self.options]
        words += [word for value in extra for word in ("-e", value)]
        words += ["--tags", tags] if tags else []
        return " ".join([*map(shlex.quote, words), *more])

    def spelled(self, text: str) -> str:
        """The text with each playbook that it names «con el mismo -i» as a whole command, to be copied as it stands."""
        if "mismo -i" not in text:
            return text
        return SAME.sub("", PLAYBOOK.sub(lambda found: self.text(found[1]), text))

    def _sibling(self, name: str) -> str:
        folder, base = posixpath.split(self.playbook)
        if "/" not in self.playbook and base.count(".") == 2 and not base.endswith((".yml", ".yaml")):
            return f"{base.rpartition('.')[0]}.{name}"
        return posixpath.join(folder, name + (posixpath.splitext(base)[1] or ".yml"))


def clean_extra(raw: str, kept: Callable[[str], bool]) -> str:
    """Return one -e with those variables only; '' when nothing is left. A file, by its name, stays as it is."""
    if raw.startswith("@"):
        return raw
    if raw.lstrip().startswith(("{", "[")):
        try:
            loaded = yaml.safe_load(raw)
        except yaml.YAMLError:
            return ""
        left = {str(name): value for name, value in loaded.items() if kept(str(name))} if isinstance(loaded, dict) else {}
        return json.dumps(left, ensure_ascii=False) if left else ""
    try:
        words = shlex.split(raw)
    except ValueError:
        return ""
    pairs = [re.split("=", word, maxsplit=1) for word in words if "=" in word]
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in pairs if kept(name))
