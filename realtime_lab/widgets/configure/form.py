"""What a configuration panel knows: what stands in every row, what is wrong with it, and the session it says.

Every change is checked as a whole, so that all mistakes are shown at once, each at its field. Secrets a configuration
came with stay in here and are never handed to a view.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from realtime_lab.config import ConfigWarning, SessionConfig
from realtime_lab.config.code import cell
from realtime_lab.config.masking import masked
from realtime_lab.config.wire import MISSING, Tree, lookup, store
from realtime_lab.errors import ConfigError, Problem
from realtime_lab.widgets.configure.rows import NULL, ROWS, SET, UNSET, Row, harmless, hides, kinds_of, read, written
from realtime_lab.widgets.markup import problem_text

_BY_PATH = {row.path: row for row in ROWS}


@dataclass(frozen=True)
class Draft:
    """What stands in one row."""

    mode: str
    """One of the row's modes."""
    raw: str | float = ""
    """What the slider or the text says, whether or not it is sent."""
    kept: object = MISSING
    """The value behind a text that hides a secret."""


class ConfigForm:
    """A configuration being written.

    Args:
        config: Where to start; default: nothing set.
    """

    def __init__(self, config: SessionConfig | None = None) -> None:
        self.load(config or SessionConfig())

    def load(self, config: SessionConfig) -> None:
        """Take over a configuration, whole."""
        tree = config.to_dict()
        self._extra = tree.get("extra", MISSING)
        self._drafts = {row.path: _draft_of(row, lookup(tree, tuple(row.path.split(".")))) for row in ROWS}
        self._check()

    def draft(self, path: str) -> Draft:
        """What stands in a row."""
        return self._drafts[path]

    def choose(self, path: str, mode: str) -> None:
        """Change a row's mode."""
        draft = self._drafts[path]
        self._drafts[path] = Draft(mode, draft.raw, draft.kept)
        self._check()

    def write(self, path: str, raw: str | float) -> None:
        """Write into a slider or text; the field is then set."""
        if raw != self._drafts[path].raw:
            self._drafts[path] = Draft(SET, harmless(_BY_PATH[path], raw) if isinstance(raw, str) else raw)
            self._check()

    def shown(self, row: Row) -> bool:
        """Whether the row has a meaning now: its group is an object of a kind that has it."""
        if row.parent is None:
            return True
        above = _BY_PATH[row.parent]
        return row.belongs_to(self._drafts[above.path].mode) and self.shown(above)

    def slider_range(self, row: Row) -> tuple[float, float]:
        """The usual range, widened where the value lies outside."""
        low, high = row.field.usual or (0.0, 1.0)
        value = float(self._drafts[row.path].raw)
        return min(low, value), max(high, value)

    @property
    def config(self) -> SessionConfig:
        """The session the rows say.

        Raises:
            ConfigError: With every mistake there is.
        """
        if self._config is None:
            raise ConfigError(self.problems)
        return self._config

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Every mistake, in the order of the rows."""
        return self._problems

    def wrong(self, path: str) -> str:
        """What is wrong at a row, "" when nothing is."""
        return problem_text([problem for problem in self._problems if _place(problem, self) == path], path)

    def title(self, section: str) -> str:
        """The section's name, with the number of its mistakes."""
        count = sum(bool(self.wrong(row.path)) for row in ROWS if row.section == section)
        return f"{section} ({count})" if count else section

    def elsewhere(self) -> str:
        """Mistakes that belong to no row that is shown."""
        return "\n".join(str(problem) for problem in self._problems if _place(problem, self) is None)

    @property
    def note(self) -> str:
        """What is allowed but probably not meant, "" when nothing is."""
        return self._note

    def wire(self, shape: str = "ga") -> str:
        """The session as it is sent, as JSON without secrets; what is in the way when it cannot be."""
        if self._config is None:
            return str(ConfigError(self.problems))
        try:
            return json.dumps(masked(self._config.to_wire(shape)), indent=2, ensure_ascii=False)
        except ConfigError as error:
            return str(error)

    def code(self, name: str = "config") -> str:
        """The cell that builds the session, without secrets."""
        if self._config is None:
            return "# mend the mistakes first"
        tree: Any = masked(self._config.to_dict())
        hidden = tree != self._config.to_dict()
        return cell(tree, name) + ("\n# *** stands for what looks like a secret" if hidden else "")

    def _check(self) -> None:
        tree, problems = self._tree()
        self._config, self._note = None, ""
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", ConfigWarning)
                config = SessionConfig.model_validate(tree)
        except ConfigError as error:
            problems += error.errors
        else:
            self._config = None if problems else config
            self._note = "\n".join(str(warning.message) for warning in caught)
        self._problems = tuple(problems)

    def _tree(self) -> tuple[Tree, list[Problem]]:
        """The plain session the rows say, and what in them cannot be read."""
        tree: Tree = {} if self._extra is MISSING else {"extra": self._extra}
        problems: list[Problem] = []
        for row in ROWS:
            draft = self._drafts[row.path]
            if draft.mode == UNSET or not self.shown(row):
                continue
            try:
                store(tree, tuple(row.path.split(".")), _value(row, draft))
            except ConfigError as error:
                problems += error.errors
        return tree, problems


def _draft_of(row: Row, value: object) -> Draft:
    if row.control == "slider":
        number = value if isinstance(value, (int, float)) else row.field.default
        if not isinstance(number, (int, float)):
            number = (row.field.usual or (0.0, 1.0))[0]
        return Draft(_state(value), float(number) if row.field.type == "number" else int(number))
    if value is MISSING or value is None:
        return Draft(_state(value))
    if row.control == "choice":
        return Draft(json.dumps(value, ensure_ascii=False))
    if row.control == "group":
        kind = str(value.get("type")) if isinstance(value, Mapping) else str(value)
        return Draft(kind if kind in row.modes else SET)
    return Draft(SET, written(row, value), value if hides(row, value) else MISSING)


def _state(value: object) -> str:
    return UNSET if value is MISSING else NULL if value is None else SET


def _value(row: Row, draft: Draft) -> object:
    if draft.mode == NULL:
        return None
    if row.control == "group":
        if draft.mode in row.field.choices:
            return draft.mode
        return {"type": draft.mode} if draft.mode in kinds_of(row.path) else {}
    if row.control == "choice":
        return json.loads(draft.mode)
    if draft.kept is not MISSING:
        return draft.kept
    return read(row, draft.raw) if isinstance(draft.raw, str) else draft.raw


def _place(problem: Problem, form: ConfigForm) -> str | None:
    """The row to show a problem at: its own, or the nearest group above that is shown."""
    path = problem.path.partition("[")[0]
    while path:
        row = _BY_PATH.get(path)
        if row is not None and form.shown(row):
            return path
        path = path.rpartition(".")[0]
    return None
