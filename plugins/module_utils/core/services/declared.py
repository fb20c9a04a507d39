"""The services as a site declares them (migration_services). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DEADLINE = 120  # seconds from the start of a service's turn until it has to be well
_KEYS = ("deadline", "health_url", "name", "public_url", "reads_flag", "singleton", "smoke_url")
_SPELLINGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(frozen=True)
class DeclaredService:
    """One entry. ``singleton``: never two copies at once; ``reads_flag``: it is switched, otherwise watched only."""

    name: str
    health_url: str = ""
    smoke_url: str = ""
    public_url: str = ""
    singleton: bool = True
    reads_flag: bool = True
    deadline: float = DEADLINE


def parse_declared(value: Any) -> tuple[DeclaredService, ...]:
    """Return the entries of a list of mappings; ValueError in Spanish naming what cannot be."""
    if not isinstance(value, list | tuple) or not all(isinstance(item, Mapping) and item.get("name") for item in value):
        raise ValueError("se espera una lista de servicios, cada uno con name")
    unknown = sorted({key for item in value for key in item} - set(_KEYS))
    if unknown:
        raise ValueError(f"un servicio no tiene {', '.join(unknown)}; puede tener {', '.join(_KEYS)}")
    found = tuple(_declared(item) for item in value)
    names = [service.name for service in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{', '.join(twice)} está más de una vez")
    return found


def _declared(item: Mapping[str, Any]) -> DeclaredService:
    name = str(item["name"])
    urls = {key: _url(name, key, item.get(key)) for key in ("health_url", "smoke_url", "public_url")}
    return DeclaredService(
        name,
        **urls,
        singleton=_truth(name, "singleton", item.get("singleton", True)),
        reads_flag=_truth(name, "reads_flag", item.get("reads_flag", True)),
        deadline=_seconds(name, item.get("deadline", DEADLINE)),
    )


def _url(name: str, key: str, value: Any) -> str:
    text = "" if value is None else str(value).strip()
    if text and not re.match(r"https?://\S+\Z", text):
        raise ValueError(f"{name}: {key} ha de empezar por http:// o https://, no {text!r}")
    return text


def _truth(name: str, key: str, value: Any) -> bool:
    if (found := _SPELLINGS.get(str(value).strip().lower())) is None:
        raise ValueError(f"{name}: {key} ha de ser true o false, no {value!r}")
    return found


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,4}(\.\d+)?", str(value).strip()) or float(value) <= 0:
        raise ValueError(f"{name}: deadline son segundos, más de 0, no {value!r}")
    return float(value)
