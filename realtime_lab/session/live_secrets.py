"""Client secrets for live sessions: asked for when a session is to begin, renewed near their end, kept in memory only.

A secret opens the session it was asked for, so there is one for each target and configuration. The API key itself then
travels in the REST request alone, never in the WebSocket's.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache

from realtime_lab.config import SessionConfig
from realtime_lab.errors import RemoteError
from realtime_lab.session.live_key import Secret
from realtime_lab.session.rest import ClientSecret, create_client_secret, create_session
from realtime_lab.session.targets import Live

__all__ = ["SecretKeeper", "secret_keeper"]

MAX_TRIES = 3
_FIRST_WAIT_S = 0.5
_MOST_KEPT = 256
Mint = Callable[[Live, SessionConfig], ClientSecret]


def mint(target: Live, config: SessionConfig) -> ClientSecret:
    """Ask for a secret where the target's dialect has its endpoint.

    Raises:
        RemoteError: If the service refuses, fails or cannot be reached.
    """
    if target.model is not None:  # a deployment's name stands where others have a model
        config = config.with_values({"model": target.model})
    return create_session(target, config) if target.dialect == "flat" else create_client_secret(target, config)


class SecretKeeper:
    """Secrets at hand.

    Args:
        mint: Asks for a secret.
        now_unix_s: The wall clock, seconds since 1970.
        wait: Waits so many seconds.
    """

    def __init__(
        self, mint: Mint = mint, now_unix_s: Callable[[], float] = time.time, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self._mint, self._now_unix_s, self._wait = mint, now_unix_s, wait
        self._kept: OrderedDict[tuple[Live, str], ClientSecret] = OrderedDict()

    def key_for(self, target: Live, config: SessionConfig) -> Secret:
        """The secret for a session about to begin; a new one when the one at hand is near its end.

        Raises:
            ConfigError: If the key's variable is not set.
            RemoteError: If the service refuses, or fails three times.
        """
        place = (target, json.dumps(config.to_wire("ga"), sort_keys=True))
        kept = self._kept.pop(place, None)
        if kept is None or kept.near_expiry(self._now_unix_s()):
            kept = self._ask(target, config)
        self._kept[place] = kept
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return kept.value

    def _ask(self, target: Live, config: SessionConfig) -> ClientSecret:
        wait_s = _FIRST_WAIT_S
        for _ in range(MAX_TRIES - 1):
            try:
                return self._mint(target, config)
            except RemoteError as error:
                if not _may_pass(error):
                    raise
            self._wait(wait_s)
            wait_s *= 2
        return self._mint(target, config)

    def __repr__(self) -> str:
        return f"<SecretKeeper: {len(self._kept)} secrets>"


def _may_pass(error: RemoteError) -> bool:
    return error.status is None or error.status == 429 or error.status >= 500


@lru_cache(maxsize=1)
def secret_keeper() -> SecretKeeper:
    """This process's secrets."""
    return SecretKeeper()
