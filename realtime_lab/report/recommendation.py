"""The recommendation: what callers gain and lose by leaving the old setting for the new one, and how sure that is.

For a reader who knows no voice activity detection: at most 120 words, no claim that an interval does not carry, and
the outcome in its own words when there is nothing to recommend. Texts only; the page escapes them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from realtime_lab.analysis.deciding.compare import Comparison
from realtime_lab.analysis.deciding.limits import Where
from realtime_lab.analysis.deciding.values import Best
from realtime_lab.analysis.summary.wording import amount, column_of, interval, label_of, plural, setting_words
from realtime_lab.config import field_info
from realtime_lab.errors import ConfigError, PlanError
from realtime_lab.sweep.plans.plan import SweepPlan
from realtime_lab.sweep.studies.chosen import Swept

if TYPE_CHECKING:
    import pandas as pd

MAX_WORDS = 120
Verdict = Literal["better", "worse", "no difference shown", "unknown"]
_CUT, _ANSWERED, _TRUNCATED = "cutoff_rate", "answered_rate", "truncated_rate"
_EASY = {_CUT: "cut-offs", _TRUNCATED: "broken-off answers", _ANSWERED: "answered turns"}
_LONGEST_SETTING = 160


class Wait(NamedTuple):
    """What waiting is in a study: for sound, for text, or for the end of the turn where nothing is answered."""

    latency: str
    """Column of the turns frame."""
    head: str
    """What it is, for everybody."""
    meaning: str
    """Its definition."""

    @property
    def name(self) -> str:
        """Its median in the summary."""
        return f"{self.latency}_p50"


WAITS = (
    Wait("response_latency_ms", "Wait for an answer", "from the end of the caller's turn to the first audible answer"),
    Wait("first_byte_latency_ms", "Wait for an answer", "from the end of the caller's turn to the answer's first text"),
    Wait("endpoint_delay_ms", "Wait for the end of the turn", "from the end of the caller's turn to its endpoint"),
)
"""The first that a study has counts."""


def wait_in(turns: pd.DataFrame) -> Wait:
    """What waiting is in a study's turns."""
    return next((wait for wait in WAITS if turns[wait.latency].notna().any()), WAITS[0])


@dataclass(frozen=True)
class Change:
    """One figure at the old and at the new setting."""

    name: str
    """Column of the summary."""
    head: str
    """What it is, for everybody."""
    old: str
    """Its value at the old setting, in words."""
    new: str
    """Its value at the new setting, in words."""
    difference: str
    """The difference with its interval, in words; why there is none, else."""
    verdict: Verdict


@dataclass(frozen=True)
class Recommendation:
    """What to do, in words."""

    headline: str
    new: str
    """The new setting in words; empty when there is none to recommend."""
    old: str
    """The old setting in words."""
    changes: tuple[Change, ...]
    """Cut-offs and waiting; empty when old and new are one."""
    sentences: tuple[str, ...]

    @property
    def words(self) -> int:
        """How long it is."""
        texts = [self.headline, self.new, self.old, *self.sentences]
        texts += [text for entry in self.changes for text in (entry.head, entry.old, entry.new, entry.difference)]
        return sum(len(text.split()) for text in texts)


def old_setting(plan: SweepPlan) -> dict[str, Any]:
    """The setting that others are held against.

    The base's own where the grid holds it; else what leaving every swept field out would mean by the documented
    defaults; else the first of the grid.
    """
    if any(config.to_json() == plan.base.to_json() for config in plan.configs):
        return dict(plan.control)
    wanted: dict[str, Any] = {}
    for name, path in plan.fields.items():
        given = plan.base.get(path, None)
        wanted[name] = field_info(path).default if given is None else given
    try:
        found = plan.only(wanted).settings
    except (PlanError, ConfigError):
        return dict(plan.control)
    return dict(found[0])


def mocked_sentence(calibrated: str | None) -> str:
    """How far answers of a mocked server can be trusted.

    Args:
        calibrated: When and against whom it was calibrated; None when it was not.
    """
    if calibrated is None:
        return "Not verified against a live service: the server was mocked."
    return f"The server was mocked, calibrated {calibrated}."


def recommend(
    best: Best,
    old: Swept,
    new: Swept,
    comparison: Comparison | None,
    rows: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]],
    limits: Where,
    wait: Wait,
    evidence: str,
    mocked: bool,
    calibrated: str | None = None,
) -> Recommendation:
    """Put it in words.

    Args:
        best: The choice.
        old: The setting to compare with.
        new: The leading setting, or the closest one.
        comparison: New against old; None when they are one.
        rows: By condition, the summary of the old and of the new setting; empty where it has no turns.
        limits: What settings had to keep.
        wait: What waiting is.
        evidence: How much was played, in words.
        mocked: The server was mocked.
        calibrated: When and against whom it was calibrated; None when it was not.
    """
    changes: tuple[Change, ...] = ()
    if comparison is not None:
        changes = tuple(_changes(best.condition, rows[best.condition], comparison, wait))
    differing = [name for name in new.setting if new.setting[name] != old.setting.get(name)] or list(new.setting)
    told = [setting_words({name: one.cells[name] for name in differing})[:_LONGEST_SETTING] for one in (new, old)]
    sentences = [_gains(rows[best.condition], wait.name, bool(changes)), *_costs(best, rows), *_sure(best, limits)]
    optional = [f"Heard: {evidence}.", *_elsewhere(best, rows, wait.name)]
    last = [mocked_sentence(calibrated)] if mocked else []
    made = Recommendation(_headline(best, changes), told[0], told[1], changes, (*sentences, *optional, *last))
    while made.words > MAX_WORDS and len(optional) + len(sentences) > 1:
        del (optional or sentences)[-1]
        made = replace(made, sentences=(*sentences, *optional, *last))
    return made


def _changes(
    condition: str, rows: tuple[Mapping[str, Any], Mapping[str, Any]], comparison: Comparison, wait: Wait
) -> Iterator[Change]:
    for name, head in ((_CUT, "Cut off in a pause"), (wait.name, wait.head)):
        old, new = (row.get(name) for row in rows)
        found = comparison.row(condition, name) or {}
        change, low, high = (found.get(f"difference{end}") for end in ("", "_low", "_high"))
        verdict: Verdict = "unknown"
        said = str(found.get("note") or "no interval")
        if change is not None and low is not None and high is not None:
            verdict = _verdict(name, low, high)
            around = interval(name, low, high, signed=True).removesuffix(" points")
            said = f"{amount(name, change, signed=True)} ({around})"
            said += ", may be chance" if verdict == "no difference shown" else ""
        before, after = ("–" if value is None else amount(name, value) for value in (old, new))
        yield Change(name, head, before, after, said, verdict)


def _verdict(name: str, low: float, high: float) -> Verdict:
    entry = column_of(name)
    sign = -1.0 if entry is not None and entry.lower_is_better is False else 1.0
    if low * sign > 0 and high * sign > 0:
        return "worse"
    return "better" if low * sign < 0 and high * sign < 0 else "no difference shown"


def _headline(best: Best, changes: Sequence[Change]) -> str:
    if best.outcome == "n too small":
        return "Too few calls to recommend a setting"
    if best.outcome == "none":
        return "No setting tried is good enough yet"
    if not changes:
        return "Keep the old setting"
    cut, wait = changes
    parts = {
        ("better", "worse"): "Fewer callers cut off, for a longer wait",
        ("better", "better"): "Fewer callers cut off, and a shorter wait",
        ("worse", "better"): "A shorter wait, but more callers cut off",
        ("worse", "worse"): "More callers cut off, and a longer wait",
    }
    if (cut.verdict, wait.verdict) in parts:
        return parts[cut.verdict, wait.verdict]
    alone = {"better": "Fewer callers cut off", "worse": "More callers cut off"}.get(cut.verdict)
    alone = alone or {"better": "A shorter wait", "worse": "A longer wait"}.get(wait.verdict)
    return alone or "No difference from the old setting is shown"


_WHO = "callers who paused mid-sentence"
_WAYS = {
    (-1, 1): f"{_WHO} kept their turn more often; in exchange, answers came later.",
    (-1, -1): f"{_WHO} kept their turn more often, and answers came sooner.",
    (-1, 0): f"{_WHO} kept their turn more often.",
    (1, 1): f"{_WHO} lost their turn more often, and answers came later.",
    (1, -1): f"answers came sooner; in exchange, {_WHO} lost their turn more often.",
    (1, 0): f"{_WHO} lost their turn more often.",
    (0, 1): "callers were cut off as often as before, and answers came later.",
    (0, -1): "callers were cut off as often as before, and answers came sooner.",
    (0, 0): "callers were cut off as often as before, and waited as long.",
}


def _gains(rows: tuple[Mapping[str, Any], Mapping[str, Any]], wait: str, changed: bool) -> str:
    """What happens to callers: of these calls only, the intervals say how far it carries."""
    old, new = rows
    if not changed:
        cut = amount(_CUT, new.get(_CUT))
        after = f"; answers came after {amount(wait, new[wait])}" if new.get(wait) is not None else ""
        return f"On these calls, {_WHO} were cut off in {cut} of pauses{after}."
    known = old.get(wait) is not None and new.get(wait) is not None
    signs = (_sign(old.get(_CUT), new.get(_CUT)), _sign(old.get(wait), new.get(wait)))
    if not known:
        return f"On these calls, {_WAYS[signs[0], 0] if signs[0] else 'callers were cut off as often as before.'}"
    return f"On these calls, {_WAYS[signs]}"


def _sign(old: float | None, new: float | None) -> int:
    return 0 if old is None or new is None else (new > old) - (new < old)


def _costs(best: Best, rows: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]]) -> Iterator[str]:
    """What else gets worse."""
    old, new = rows[best.condition]
    answered, truncated = new.get(_ANSWERED), new.get(_TRUNCATED)
    if answered is not None and answered < 0.95 and answered < (old.get(_ANSWERED) or 1.0):
        yield f"Only {amount(_ANSWERED, answered)} of turns are answered at all."
    if truncated is not None and truncated > 0.05 and truncated > (old.get(_TRUNCATED) or 0.0):
        yield f"{amount(_TRUNCATED, truncated)} of answers are broken off by the token limit."


def _sure(best: Best, limits: Where) -> Iterator[str]:
    if best.outcome == "best":
        others = best.n_candidates - 1
        yield {
            0: "How sure: it is the only setting tried within the limits.",
            1: "How sure: the other setting within the limits does worse on these calls.",
        }.get(others, f"How sure: none of {others} other settings within the limits does as well on these calls.")
    elif best.outcome == "undecided":
        many = plural(len(best.rivals), "other setting")
        yield (
            f"How sure: {many} cannot be told apart from it; more calls would decide."
            if best.rivals
            else ("How sure: there are too few calls to compare.")
        )
    elif best.outcome == "provisional":
        yield "How sure: provisional. Pauses were found automatically, which crowns no winner."
    elif best.outcome == "none":
        wanted = " and ".join(
            f"{_EASY.get(limit.name, f'a {label_of(limit.name)}')} {limit.bound}" for limit in limits.limits
        )
        yield f"How sure: none of {plural(best.n_settings, 'setting')} keeps {wanted or 'its answers in time'}."
    else:
        yield best.sentence


def _elsewhere(best: Best, rows: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]], wait: str) -> Iterator[str]:
    for condition, (_, new) in rows.items():
        cut, waited = new.get(_CUT), new.get(wait)
        if condition != best.condition and cut is not None and waited is not None:
            after = "answers too late" if math.isinf(waited) else f"answers after {amount(wait, waited)}"
            yield f"In {condition}: {amount(_CUT, cut)} cut off, {after}."
