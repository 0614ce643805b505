"""Does a study keep what is required of it: pass, fail, or not enough is known. One implementation, for all callers.

A requirement is judged in every row of the summary that `where` selects (all settings, conditions and targets by
default), never by the estimate alone: a row passes when its whole 95 % interval is within the bound, fails when the
whole of it is outside, and is inconclusive when the interval straddles the bound or there is none. When several rows
are judged, one of them would fail by chance sooner or later: then a row fails only if its interval at the corrected
confidence (Bonferroni over all judgements) lies outside too. The study passes when every row does, and fails when one
does. Columns without an interval are counts of what happened, and judged as they stand.

Against a baseline, differences and ratios are over the same turns of both studies (see `choice_compare`). What is
equal in all of them is no worse; what differs at all needs a margin (`baseline + 2 %`) to be shown to be no worse, for
an interval around nothing straddles nothing.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from realtime_lab.analysis.columns import METRICS_VERSION, setting_names
from realtime_lab.analysis.deciding.compare import compare_frames
from realtime_lab.analysis.deciding.limits import Requirement, parse_requirements, parse_where
from realtime_lab.analysis.stats.intervals import CONFIDENCE, TOO_SMALL
from realtime_lab.analysis.summary.columns import QUANTILES, SUMMARY, sample_size
from realtime_lab.analysis.summary.sample import measurable
from realtime_lab.analysis.summary.settings import default_by, summary
from realtime_lab.analysis.summary.source import of_setting, plain_row, without_oracle
from realtime_lab.analysis.summary.wording import amount, interval, label_of, plural, setting_words
from realtime_lab.errors import ArgumentError, Problem, RealtimeLabError, RequirementError

Verdict = Literal["pass", "fail", "inconclusive"]
EXIT_CODES: Mapping[Verdict, int] = {"pass": 0, "fail": 1, "inconclusive": 2}
"""What `realtime-lab check` ends with."""
Frames = tuple[pd.DataFrame, pd.DataFrame | None]
_KEYS = ("condition", "target")


@dataclass(frozen=True)
class Judged:
    """One requirement in one row of the summary."""

    requirement: Requirement
    where: Mapping[str, Any]
    """The row: its swept values, condition and target."""
    verdict: Verdict
    value: float | None
    """The value; against a baseline, the difference or the ratio."""
    low: float | None
    high: float | None
    n: int | None
    """Size of the sample: turns, holds or responses."""
    note: str = ""
    """Why it is not decided, or what else must be known."""

    @property
    def sentence(self) -> str:
        """In words."""
        name, signed = self.requirement.name, self.requirement.against == "difference"
        if self.requirement.against == "ratio":
            shown = "unknown" if self.value is None else f"{self.value:.3g} times"
            around = "" if self.low is None or self.high is None else f"{self.low:.3g} to {self.high:.3g}"
        else:
            shown, around = (
                amount(name, self.value, signed=signed),
                interval(name, self.low, self.high, signed=signed),
            )
        parts = [around, f"n = {self.n:,}" if self.n is not None else "", self.note]
        inside = "; ".join(filter(None, parts))
        at = setting_words({key: value for key, value in self.where.items() if key != "target"})
        return f"{self.verdict}: {self.requirement.words}: {shown}{f' ({inside})' if inside else ''}, at {at}"


@dataclass(frozen=True)
class Check:
    """Every judgement, and what they come to."""

    verdict: Verdict
    judged: tuple[Judged, ...]

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 2 inconclusive."""
        return EXIT_CODES[self.verdict]

    @property
    def sentence(self) -> str:
        """What was found."""
        counts = {name: sum(entry.verdict == name for entry in self.judged) for name in EXIT_CODES}
        told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        return f"{self.verdict}: {told} of {plural(len(self.judged), 'judgement')}."

    def to_json(self) -> str:
        """As JSON; what is later than the deadline is the text "inf"."""
        rows = [
            {
                "require": entry.requirement.text,
                "metric": entry.requirement.name,
                "against": entry.requirement.against,
                "bound": _plain(entry.requirement.bound),
                "where": {name: _plain(value) for name, value in entry.where.items()},
                "verdict": entry.verdict,
                "value": _plain(entry.value),
                "low": _plain(entry.low),
                "high": _plain(entry.high),
                "n": entry.n,
                "note": entry.note,
            }
            for entry in self.judged
        ]
        head = {"verdict": self.verdict, "exit_code": self.exit_code, "confidence": CONFIDENCE}
        return json.dumps(head | {"metrics_version": METRICS_VERSION, "judged": rows}, indent=2, ensure_ascii=False)

    def __repr__(self) -> str:
        return f"<Check: {self.sentence}>"

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{html.escape(entry.sentence)}</li>" for entry in self.judged)
        return (
            f'<details open class="rl-check"><summary>{html.escape(self.sentence)}</summary><ul>{lines}</ul></details>'
        )


def _plain(value: Any) -> Any:
    """A value that JSON has a word for."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def check_frames(
    frames: Frames,
    require: str | Iterable[str],
    *,
    where: str | None = None,
    baseline: Frames | None = None,
    seed: int = 0,
) -> Check:
    """Judge turns and responses.

    Args:
        frames: Turns and responses of a study.
        require: Requirements; see `check_requirement`.
        where: Which rows of the summary are judged, such as `condition == "clean"`; None: all.
        baseline: Turns and responses to compare with. Every column that is required must then also be no worse than
            the baseline's, unless a requirement says how much worse it may be.
        seed: Decides the resamples of the comparison.

    Raises:
        RequirementError: If a requirement cannot be read.
        ConfigError: If `where` cannot be read, or selects nothing.
        RealtimeLabError: If there are no turns, or none in common with the baseline.
    """
    frames, baseline = _of_settings(frames), None if baseline is None else _of_settings(baseline)
    turns, responses = frames
    if turns.empty:
        raise RealtimeLabError("there is nothing to check: no session is complete")
    by = default_by(turns.columns)
    table = summary(turns, responses, by=by)
    wanted = parse_requirements(require, _names(table))
    if baseline is None and (lacking := [entry for entry in wanted if entry.against != "number"]):
        problem = Problem("require", lacking[0].text, "a bound that is a number", "or give a baseline study")
        raise RequirementError([problem])
    if baseline is not None:
        wanted = (*wanted, *_no_worse(_comparable(wanted, turns)))
    qs = tuple(sorted({*QUANTILES, *(entry.quantile for entry in wanted if entry.quantile is not None)}))
    table = _selected(summary(turns, responses, by=by, quantiles=qs), where, by)
    rows = [plain_row(row) for row in table.to_dict("records")]
    many = len(rows) * len(wanted)
    strict = 1.0 - (1.0 - CONFIDENCE) / many
    strictly = _selected(summary(turns, responses, by=by, quantiles=qs, confidence=strict), where, by)
    stricter = [plain_row(row) for row in strictly.to_dict("records")]
    judged = [
        _of_row(entry, row, other, by, many)
        for entry in wanted
        if entry.against == "number"
        for row, other in zip(rows, stricter, strict=True)
    ]
    if baseline is not None:
        relative = [entry for entry in wanted if entry.against != "number"]
        judged += _Against(frames, baseline, by, many, seed).judged(relative, rows)
    verdicts = {entry.verdict for entry in judged}
    verdict: Verdict = "fail" if "fail" in verdicts else "inconclusive" if "inconclusive" in verdicts else "pass"
    return Check(verdict, tuple(judged))


def _of_settings(frames: Frames) -> Frames:
    """Without an oracle's rows: a bound is nothing that could be put to use, and so is not judged."""
    turns, responses = frames
    return without_oracle(turns), None if responses is None else without_oracle(responses)


def _names(table: pd.DataFrame) -> list[str]:
    declared = {entry.name for entry in SUMMARY if entry.dtype != "str"} - {"metrics_version"}
    return [str(name) for name in table.columns if name in declared and not str(name).endswith(("_low", "_high"))]


def _comparable(wanted: Sequence[Requirement], turns: pd.DataFrame) -> list[Requirement]:
    """The requirements whose column can be compared with a baseline's; a count as it stands cannot.

    Raises:
        RequirementError: If another one asks for that.
    """
    there = measurable(turns.columns)
    can = [entry for entry in wanted if entry.quantile is not None or entry.name in there]
    allowed = f"rates, quantiles and figures per turn: {', '.join(there)}"
    problems = [
        Problem("require", entry.text, allowed, f"{entry.name} is judged as it stands only")
        for entry in wanted
        if entry not in can and entry.against != "number"
    ]
    if problems:
        raise RequirementError(problems)
    return can


def _no_worse(wanted: Sequence[Requirement]) -> Iterator[Requirement]:
    """What is implied by a baseline: no column that is required gets worse."""
    told = {entry.name for entry in wanted if entry.against != "number"}
    for entry in wanted:
        if entry.name not in told:
            told.add(entry.name)
            yield Requirement(f"{entry.name} {entry.op[0]}= baseline", entry.name, f"{entry.op[0]}=", 0.0, "difference")


def _selected(table: pd.DataFrame, where: str | None, by: Sequence[str]) -> pd.DataFrame:
    limits = parse_where(where, [str(name) for name in table.columns])
    rows = [limits.holds(plain_row(row)) for row in table.to_dict("records")]
    if not any(rows):
        there = "; ".join(setting_words(plain_row(row)) for row in table[list(by)].head(4).to_dict("records"))
        raise ArgumentError([Problem("where", where, f"limits that some row keeps, such as those of {there}")])
    return table[np.array(rows, dtype=bool)].reset_index(drop=True)


def _of_row(
    entry: Requirement, row: Mapping[str, Any], stricter: Mapping[str, Any], by: Sequence[str], many: int
) -> Judged:
    name, value = entry.name, row.get(entry.name)
    where = {key: row[key] for key in by}
    n = sample_size(row, name)
    if f"{name}_low" not in row:  # a count, or another figure without an interval
        verdict: Verdict = "inconclusive" if value is None else "pass" if entry.keeps(float(value)) else "fail"
        note = "nothing to count" if value is None else "no interval: as it was in this study"
        return Judged(entry, where, verdict, value, None, None, n, note)
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if value is None or low is None or high is None:
        note = TOO_SMALL if n else "none was observed"
        return Judged(entry, where, "inconclusive", value, None, None, n, note)
    found = Judged(entry, where, _verdict(entry, low, high), value, low, high, n)
    if found.verdict == "fail" and many > 1:
        wide_low, wide_high = stricter.get(f"{name}_low"), stricter.get(f"{name}_high")
        sure = wide_low is not None and wide_high is not None and _verdict(entry, wide_low, wide_high) == "fail"
        found = found if sure else replace(found, verdict="inconclusive", note=_CHANCE.format(many))
    return found


_CHANCE = "outside, but so far out may be chance where there are {} judgements"


def _verdict(entry: Requirement, low: float, high: float) -> Verdict:
    inside = entry.keeps(low), entry.keeps(high)
    return "pass" if all(inside) else "inconclusive" if any(inside) else "fail"


class _Against(NamedTuple):
    """A study and its baseline."""

    frames: Frames
    baseline: Frames
    by: Sequence[str]
    many: int
    seed: int

    def judged(self, wanted: Sequence[Requirement], rows: Sequence[Mapping[str, Any]]) -> Iterator[Judged]:
        """Each requirement in each row."""
        settings = [name for name in self.by if name not in _KEYS]
        for row in rows:
            where = {key: row[key] for key in self.by}
            names = list(dict.fromkeys(entry.name for entry in wanted))
            sides = self._sides(where, settings)
            found = [
                _pairs(sides, str(row.get("condition", "")), names, comparisons, self.seed)
                for comparisons in (1, self.many)
            ]
            for entry in wanted:
                yield _of_pairs(entry, where, found[0].get(entry.name, {}), found[1].get(entry.name, {}), self.many)

    def _sides(self, where: Mapping[str, Any], settings: Sequence[str]) -> tuple[Frames, Frames]:
        """The row's turns and responses, in the baseline and in the study."""
        mine = {name: where[name] for name in settings}
        theirs = {name: value for name, value in mine.items() if name in self.baseline[0].columns}
        at = {key: where[key] for key in where if key == "condition"}
        old = _rows_at(self.baseline, theirs | at)
        if old[0].empty:
            asked = setting_words(theirs | at)
            raise RealtimeLabError(f"the baseline has no turns at {asked}: let `where` pick what both studies hold")
        more = {name: old[0][name].nunique(dropna=False) for name in setting_names(old[0].columns)}
        if many := [name for name in more if name not in theirs and more[name] > 1]:
            raise RealtimeLabError(
                f"the baseline swept {', '.join(many)}, this study did not: which of its turns to compare with is "
                f"not known; check against a study with one value of each"
            )
        return old, _rows_at(self.frames, {key: where[key] for key in where})


def _rows_at(frames: Frames, where: Mapping[str, Any]) -> Frames:
    turns, responses = frames
    said = None if responses is None else of_setting(responses, {k: v for k, v in where.items() if k in responses})
    return of_setting(turns, where), said


def _pairs(
    sides: tuple[Frames, Frames], condition: str, names: Sequence[str], comparisons: int, seed: int
) -> dict[str, dict[str, Any]]:
    """The comparison's rows by metric."""
    found = compare_frames(*sides, ("the baseline", "this study"), metrics=names, comparisons=comparisons, seed=seed)
    return {str(row["metric"]): row for row in found.rows() if row["condition"] == condition}


def _of_pairs(
    entry: Requirement, where: Mapping[str, Any], row: Mapping[str, Any], stricter: Mapping[str, Any], many: int
) -> Judged:
    if not row:
        return Judged(entry, where, "inconclusive", None, None, None, None, f"{label_of(entry.name)} is not compared")
    kind, n = entry.against, int(row["n_turns"])
    value, low, high = (row[f"{kind}{end}"] for end in ("", "_low", "_high"))
    if row["n_differing"] == 0 and value is not None:
        return Judged(
            entry, where, "pass" if entry.keeps(value) else "fail", value, value, value, n, "equal throughout"
        )
    if low is None or high is None:
        return Judged(entry, where, "inconclusive", value, None, None, n, str(row["note"] or "no interval"))
    found = Judged(entry, where, _verdict(entry, low, high), value, low, high, n)
    wide_low, wide_high = (stricter.get(f"{kind}{end}") for end in ("_low", "_high"))
    if found.verdict == "fail" and many > 1:
        sure = wide_low is not None and wide_high is not None and _verdict(entry, wide_low, wide_high) == "fail"
        found = found if sure else replace(found, verdict="inconclusive", note=_CHANCE.format(many))
    return found
