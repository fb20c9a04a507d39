"""Whether a service answers: one GET, from the machine that it runs on."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from typing import NamedTuple

ANSWER_PATIENCE = 5.0  # seconds for one answer
LARGEST = 64_000  # bytes of an answer that are looked at


class Answer(NamedTuple):
    """``status``: of HTTP, 0 where nobody answered; ``said``: why, or the body's beginning."""

    status: int
    said: str

    @property
    def well(self) -> bool:
        """Whether it is an answer of 200 to 299."""
        return 200 <= self.status < 300


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A page to log in to is no sign of health."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def ask_url(url: str, patience: float = ANSWER_PATIENCE) -> Answer:
    """GET the URL, past any proxy of the environment."""
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, headers={"User-Agent": "tinkubot-migracion"}), timeout=patience) as said:
            return Answer(said.status, said.read(LARGEST).decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, f"respondió {error.code}")
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return Answer(0, f"no respondió ({getattr(reason, 'strerror', None) or type(reason).__name__})")
