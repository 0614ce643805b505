"""What a sweep is held against and what it may cost, as it was typed. A key is named by its variable, never read.

Whatever is typed where the name of a variable belongs and is none is forgotten at once: it may be a key.
"""

from __future__ import annotations

import math
import os

from realtime_lab.errors import ConfigError, Problem
from realtime_lab.server.engine.profile import PROFILES
from realtime_lab.session import Mocked, Target, azure, mocked, openai
from realtime_lab.session.targets import live

MOCKED, OPENAI, AZURE, OTHER = "the mocked server", "OpenAI", "Azure", "another address"
KINDS = (MOCKED, OPENAI, AZURE, OTHER)
"""Kinds of targets to choose from."""
_SHOWN = {
    MOCKED: ("profile",),
    OPENAI: ("api_key_env", "max_usd", "max_seconds"),
    AZURE: ("url", "deployment", "api_key_env", "max_usd", "max_seconds"),
    OTHER: ("url", "api_key_env", "max_usd", "max_seconds"),
}
USUAL_KEYS = {OPENAI: "OPENAI_API_KEY", AZURE: "AZURE_OPENAI_API_KEY", OTHER: ""}
"""The variable that usually holds the key; an address of one's own may want none."""


class TargetForm:
    """A target being chosen.

    Args:
        target: The one to start from; None: the plan's usual one, which is the mocked server.
        max_usd: Most that may be spent.
        max_seconds: Most seconds of audio, where a price is not known.
    """

    def __init__(
        self, target: Target | None = None, max_usd: float | None = None, max_seconds: float | None = None
    ) -> None:
        self._given = target
        given_mocked = isinstance(target, Mocked) and PROFILES.get(target.profile.name) == target.profile
        self._given_name = "" if target is None or given_mocked else f"as given: {target.name}"[:120]
        self.kinds = (self._given_name, *KINDS) if self._given_name else KINDS
        """What can be chosen."""
        self.kind = self.kinds[0]
        self.profile = target.profile.name if isinstance(target, Mocked) and given_mocked else "documented"
        self.url = self.deployment = ""
        self.api_key_env = ""
        """Name of the variable with the key; empty: the usual one of this kind."""
        self.max_usd, self.max_seconds = _typed(max_usd), _typed(max_seconds)
        self._was_no_name = False

    @property
    def shown(self) -> tuple[str, ...]:
        """Which fields this kind has."""
        return _SHOWN.get(self.kind, ("max_usd", "max_seconds") if self._given and self._given.paid else ())

    def write(self, name: str, value: str) -> None:
        """Take what was typed into a field; what cannot be the name of a variable is forgotten."""
        if name != "api_key_env":
            setattr(self, name, value.strip())
            return
        self._was_no_name, self.api_key_env = False, value.strip()
        try:
            if self.api_key_env:
                live("http://127.0.0.1/v1", api_key_env=self.api_key_env)
        except ConfigError:
            self._was_no_name, self.api_key_env = True, ""

    @property
    def key_variable(self) -> str:
        """Name of the variable that will be read; empty where no key is wanted."""
        return self.api_key_env or USUAL_KEYS.get(self.kind, "")

    @property
    def key_words(self) -> str:
        """Whether that variable is set here, in words; never what it holds."""
        if "api_key_env" not in self.shown or self._was_no_name:
            return ""
        if not self.key_variable:
            return "no key is sent"
        there = bool(os.environ.get(self.key_variable, "").strip())
        return f"{self.key_variable} is {'set' if there else 'not set: set it before Python starts'}"

    @property
    def key_names(self) -> tuple[str, ...]:
        """Names to offer: the usual ones, and variables of this process that are named like keys."""
        alike = [name for name in sorted(os.environ) if name.upper().endswith(("_API_KEY", "_APIKEY"))]
        return tuple(dict.fromkeys([*filter(None, USUAL_KEYS.values()), *alike]))

    def target(self) -> Target | None:
        """What answers; None: the plan's usual target.

        Raises:
            ConfigError: With every mistake.
        """
        problems = []
        if self._was_no_name:
            hint = "what was typed is forgotten: put a key into a variable before Python starts, and name that here"
            problems.append(Problem("api_key_env", "(not shown)", "the name of an environment variable", hint))
        try:
            made = self._made()
        except ConfigError as error:
            problems += [problem for problem in error.errors if problem.path not in {one.path for one in problems}]
        if problems:
            raise ConfigError(problems)
        return made

    def _made(self) -> Target | None:
        key = self.key_variable
        if self.kind == self._given_name and self._given_name:
            return self._given
        if self.kind == OPENAI:
            return openai(api_key_env=key)
        if self.kind == AZURE:
            if not self.deployment:
                raise ConfigError([Problem("deployment", "", "the name of a deployment")])
            return azure(self.url, self.deployment, api_key_env=key)
        if self.kind == OTHER:
            return live(self.url, api_key_env=key or None)
        return self._given if self.profile == "documented" and self._given is None else mocked(self.profile)

    def limit(self, name: str) -> float | None:
        """A cap: "max_usd" or "max_seconds"; None where none is given.

        Raises:
            ConfigError: It is no amount.
        """
        typed = str(getattr(self, name))
        if not typed or name not in self.shown:
            return None
        try:
            amount = float(typed)
        except ValueError:
            amount = math.nan
        if not (math.isfinite(amount) and amount > 0):
            raise ConfigError([Problem(name, typed[:40], "more than 0, or empty for none")])
        return amount

    def problems(self) -> list[Problem]:
        """Every mistake, a paid target without a cap among them."""
        found: list[Problem] = []
        paid, caps = False, []
        try:
            target = self.target()
            paid = target is not None and target.paid
        except ConfigError as error:
            found += error.errors
        for name in ("max_usd", "max_seconds"):
            try:
                caps.append(self.limit(name))
            except ConfigError as error:
                found += error.errors
                caps.append(math.nan)
        if paid and caps == [None, None]:
            hint = "such as 3; or max_seconds, where the price is not known"
            found.append(Problem("max_usd", None, "what may be spent, in USD: this target costs money", hint))
        return found


def _typed(amount: float | None) -> str:
    return "" if amount is None else f"{amount:g}"
