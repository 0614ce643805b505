"""What a choice of a setting is as a value: its outcome, its figures with their intervals, and its rivals."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from realtime_lab.analysis.deciding.stability import SplitHalf
from realtime_lab.analysis.summary.wording import amount, interval, label_of, setting_words
from realtime_lab.config import SessionConfig

Outcome = Literal["best", "undecided", "provisional", "none", "n too small"]
"""best: a winner. undecided: others cannot be told apart, or halves of the speech disagree. provisional: automatic
labels. none: no setting keeps the limits. n too small: no candidate has enough turns."""


class Figure(NamedTuple):
    """One value of a setting's summary."""

    name: str
    """Column of the summary."""
    value: float | None
    """None: too few turns."""
    low: float | None
    high: float | None
    """Inf: later than the deadline."""
    n: int
    """Size of the sample: turns, holds or responses."""

    @property
    def words(self) -> str:
        """Such as `cutoff rate 6 % (2 to 21 %)`."""
        around = interval(self.name, self.low, self.high)
        return f"{label_of(self.name)} {amount(self.name, self.value)}" + (f" ({around})" if around else "")


@dataclass(frozen=True)
class Rival:
    """A setting that cannot be told apart from the leading one, or might be better."""

    setting: Mapping[str, Any]
    value: float | None
    """Its value of the column that is minimised."""
    difference: float | None
    """That, minus the leading setting's."""
    low: float | None
    """Lower end of the difference's 95 % interval."""
    high: float | None
    """Upper end."""
    p: float | None
    """Corrected p-value against its being as good as the leading one; None where it was not tested."""
    config: SessionConfig | None = None


@dataclass(frozen=True)
class Best:
    """Which setting to take, and how sure that is."""

    outcome: Outcome
    setting: Mapping[str, Any] | None
    """Swept values of the leading setting; None when none keeps the limits or there are too few turns."""
    sentence: str
    """The outcome in one plain sentence."""
    figures: tuple[Figure, ...]
    """Figures of `closest`."""
    rivals: tuple[Rival, ...]
    """Settings that keep the limits too and cannot be told apart from it, best first."""
    near: tuple[Rival, ...]
    """Settings with a lower value that miss a limit by less than its interval: more turns might let them in."""
    closest: Mapping[str, Any]
    """The leading setting, or the one that misses the limits least: the one the figures are of."""
    minimize: str
    where: str
    """The limits in words."""
    condition: str
    """In which condition it was chosen."""
    n_settings: int
    """Settings there are."""
    n_candidates: int
    """Settings that keep the limits."""
    elsewhere: Mapping[str, tuple[Figure, ...]]
    """The same figures in the other conditions."""
    config: SessionConfig | None = None
    """The leading setting's configuration."""
    split_half: SplitHalf | None = None
    """In how many splits of the speech the choice stays what it is; None where it was not asked."""

    @property
    def decided(self) -> bool:
        """Whether there is a winner."""
        return self.outcome == "best"

    def __str__(self) -> str:
        return self.sentence

    def _repr_html_(self) -> str:
        rows = [("setting", setting_words(self.closest))]
        rows += [(label_of(figure.name), f"{figure.words}, n = {figure.n:,}") for figure in self.figures]
        rows += [("cannot be told apart", setting_words(rival.setting)) for rival in self.rivals]
        cells = "".join(
            f'<tr><th style="text-align:left">{html.escape(name)}</th>'
            f'<td style="text-align:left">{html.escape(text)}</td></tr>'
            for name, text in rows
        )
        return (
            f'<details open class="rl-best"><summary>{html.escape(self.sentence)}</summary>'
            f"<table>{cells}</table></details>"
        )
