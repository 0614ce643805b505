"""Counterfactual replay: from recorded sessions, what another threshold, silence or padding would have done.

The audio of a session is heard again by the endpointing rule, under each setting of a grid: where turns would have
been taken, which holds cut, how late, and which stretch of audio committed. For another server than the mocked one,
its fitted profile says how it hears.

What cannot be predicted. In a closed-loop session the caller's next turn waits for the server: a turn that a setting
would not have closed before the recorded caller went on is marked as not predictable, and so is what hangs on it.
Within a turn the caller talks on whatever the server does, so cuts and endpoints there are predicted; noise between
turns, and everything about answers, is not. In a session with fixed timing nothing the server does changes the audio.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from realtime_lab.analysis.rows.facts import InputItem
from realtime_lab.analysis.rows.reading import SessionView
from realtime_lab.analysis.rows.taking import TurnTaking, take_turns
from realtime_lab.analysis.stats.intervals import quantile, wilson_interval
from realtime_lab.audio import Script
from realtime_lab.config.fields import resolve_path
from realtime_lab.errors import ArgumentError, ConfigError, Problem
from realtime_lab.recording import Recording
from realtime_lab.server.engine.profile import LIMITS, PROFILES, VAD_FIELDS, Profile
from realtime_lab.server.engine.settings import endpoint_rule
from realtime_lab.server.hearing.endpointing import FRAME_MS, EndpointRule, Track
from realtime_lab.server.hearing.grid import PaddedTracks, endpoint_grid
from realtime_lab.session import Stage
from realtime_lab.sweep.fitting.heard_sessions import HeardSession, Library, hear

if TYPE_CHECKING:
    import pandas as pd

DETECTION = "audio.input.turn_detection."
_GOES_ON = "the recorded caller goes on before this setting would have closed the turn"
_ENDED = "the recording ends before this setting would have closed the turn"
_CARRIED = "speech of the turn before was still open"

Setting = tuple[float, float, float]
"""Threshold, prefix padding in ms, silence in ms."""
Where = tuple[int, str, str, float, float, float]
"""Recording, script and condition, and the setting: the first fields of a prediction."""


class Span(NamedTuple):
    """One stretch of heard speech, in frames of the session."""

    first: int
    """First speech frame."""
    end: int
    """The frame after the last speech frame."""
    over: bool
    """Whether the silence that ends it was heard before the recording ended."""


class PredictedTurn(NamedTuple):
    """What one setting would have made of one reference turn; audio times of the recorded session, ms."""

    recording: int
    script: str
    condition: str
    threshold: float
    prefix_padding_ms: float
    silence_duration_ms: float
    turn: int
    predictable: bool
    reason: str | None
    """Why it is not predictable."""
    n_holds: int
    n_cut_holds: int
    cut: bool
    merged: bool
    endpoint_delay_ms: float | None
    """Of the closing endpoint, on turns that are not cut."""
    onset_clip_ms: float | None
    commit_start_ms: float | None
    """Stretch of audio the closing endpoint commits."""
    commit_end_ms: float | None


@dataclass(frozen=True, eq=False)
class Counterfactual:
    """What settings would have done in recorded sessions."""

    turns: tuple[PredictedTurn, ...]
    """One per recording, setting and reference turn."""
    left_out: tuple[str, ...]
    """Recordings nothing can be said about, and why."""

    def turns_df(self) -> pd.DataFrame:
        """One row per recording, setting and turn."""
        import pandas as pd

        return pd.DataFrame(self.turns, columns=list(PredictedTurn._fields))

    def summary(self) -> pd.DataFrame:
        """One row per setting: cut holds over holds with Wilson interval, median endpoint delay with its interval.

        Turns that are not predictable are counted and left out.
        """
        import pandas as pd

        settings: dict[Setting, list[PredictedTurn]] = {}
        for turn in self.turns:
            settings.setdefault((turn.threshold, turn.prefix_padding_ms, turn.silence_duration_ms), []).append(turn)
        return pd.DataFrame([_summary_row(setting, turns) for setting, turns in settings.items()])


def _summary_row(setting: Setting, turns: Sequence[PredictedTurn]) -> dict[str, Any]:
    told = [turn for turn in turns if turn.predictable]
    cut, holds = sum(turn.n_cut_holds for turn in told), sum(turn.n_holds for turn in told)
    rate = wilson_interval(cut, holds)
    delay = quantile([turn.endpoint_delay_ms for turn in told if turn.endpoint_delay_ms is not None], 0.5)
    return {
        **dict(zip(VAD_FIELDS, setting, strict=True)),
        "n_turns": len(told),
        "n_not_predictable": len(turns) - len(told),
        "n_cut_holds": cut,
        "n_holds": holds,
        "cutoff_rate": cut / holds if holds else None,
        "cutoff_rate_low": None if rate is None else rate.low,
        "cutoff_rate_high": None if rate is None else rate.high,
        "endpoint_delay_ms_p50": delay.value,
        "endpoint_delay_ms_p50_low": delay.low,
        "endpoint_delay_ms_p50_high": delay.high,
    }


def counterfactual(
    recordings: Recording | Iterable[Recording],
    space: Mapping[str, Sequence[float]],
    *,
    profile: Profile = PROFILES["documented"],
    scripts: Sequence[Script] = (),
    stage: Stage | None = None,
) -> Counterfactual:
    """What other settings of server_vad would have done in recorded sessions.

    Args:
        recordings: One session or more.
        space: Values of threshold, silence_duration_ms and prefix_padding_ms to try, every combination; one that is
            not named stays as it was in each session.
        profile: How the server hears: a fitted one for another server than the mocked one.
        scripts: Scripts of the sessions beside the shipped ones.
        stage: Rendered audio and remembered speech probabilities to share; default: a new one.

    Returns:
        One prediction per session, setting and turn, with those that cannot be made marked as such.

    Raises:
        ConfigError: If the space names another field, or a value is not allowed.
    """
    grid = setting_grid(space)
    library = Library(scripts, stage or Stage())
    turns: list[PredictedTurn] = []
    left_out: list[str] = []
    for number, recording in enumerate([recordings] if isinstance(recordings, Recording) else recordings):
        heard = hear(SessionView(recording), library)
        if isinstance(heard, str):
            left_out.append(f"recording {number}: {heard}")
        else:
            turns += _session(number, heard, grid, profile)
    return Counterfactual(tuple(turns), tuple(left_out))


def setting_grid(space: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """The values to try, by field of turn detection.

    Raises:
        ConfigError: If a field cannot be predicted, or a value is outside its range.
    """
    grid: dict[str, list[float]] = {}
    problems: list[Problem] = []
    for name, values in space.items():
        try:
            field = resolve_path(name).removeprefix(DETECTION)
        except ConfigError:
            field = name
        if field not in VAD_FIELDS:
            problems.append(Problem(f"space.{name}", name, ", ".join(VAD_FIELDS)))
            continue
        least, most = LIMITS[field]
        wrong = [value for value in values if not _number(value) or not least <= value <= most]
        problems += [Problem(f"space.{name}", value, f"{least:g} to {most:g}") for value in wrong]
        grid[field] = [float(value) for value in values if value not in wrong]
    if problems:
        raise ArgumentError(problems)
    return grid


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _session(
    number: int, heard: HeardSession, grid: Mapping[str, Sequence[float]], profile: Profile
) -> Iterator[PredictedTurn]:
    defaults = profile.defaults()["audio"]["input"]["turn_detection"]
    tried = {name: list(grid.get(name, ())) or [_in_force(heard, name, defaults)] for name in VAD_FIELDS}
    for threshold in tried["threshold"]:
        silences = tried["silence_duration_ms"]
        rules = [endpoint_rule(profile, threshold, silence) for silence in silences]
        spans = spans_per_rule(heard.probabilities, rules)
        for padding, (rule, speech) in product(tried["prefix_padding_ms"], zip(rules, spans, strict=True)):
            yield from _turns(number, heard, (threshold, padding, rule.silence_duration_ms), rule, speech)


def spans_per_rule(probabilities: NDArray[np.float64], rules: Sequence[EndpointRule]) -> Iterator[list[Span]]:
    """What rules that differ in their silence only hear in one session: a list of stretches for each."""
    track = Track.of(probabilities, rules[0])
    grid = endpoint_grid(PaddedTracks.of([track]), np.array([rule.silent_frames for rule in rules], dtype=np.int32))
    for rule, spans in zip(rules, grid.by_cell(), strict=True):
        yield [Span(first, end, end - 1 + rule.silent_frames < len(probabilities)) for first, end in spans]


def _in_force(heard: HeardSession, name: str, defaults: Mapping[str, Any]) -> float:
    value = heard.known(name)
    return float(defaults[name]) if value is None else value


def _turns(
    number: int, heard: HeardSession, setting: Setting, rule: EndpointRule, speech: Sequence[Span]
) -> Iterator[PredictedTurn]:
    view = heard.view
    padding_ms = setting[1]
    items = [_item(position, span, padding_ms, rule) for position, span in enumerate(speech)]
    asked = view.asked._replace(silence_ms=rule.silent_frames * FRAME_MS, prefix_ms=padding_ms)
    turns = [turn for turn in view.recording.reference if turn.speech_ms]
    takings = take_turns(turns, items, asked, view.recording.audio_ms)
    header = view.recording.header
    carried = False
    for position, taking in enumerate(takings):
        reason = _CARRIED if carried else _not_told(view, takings, position)
        carried = reason is not None and header.timing != "fixed"
        yield told_turn((number, header.script_id, header.condition, *setting), taking, reason)


def _item(position: int, span: Span, padding_ms: float, rule: EndpointRule) -> InputItem:
    start_ms = max(0.0, span.first * FRAME_MS - padding_ms)
    end_ms = rule.end_ms(span.end) if span.over else None
    return InputItem(f"item_{position:04d}", audio_start_ms=start_ms, audio_end_ms=end_ms)


def _not_told(view: SessionView, takings: Sequence[TurnTaking], position: int) -> str | None:
    """Why a turn's outcome is not predictable: nobody knows how the caller would have waited."""
    taking = takings[position]
    if taking.closing is not None or view.recording.header.timing == "fixed":
        return None
    following = position + 1 < len(takings)
    end_ms = takings[position + 1].turn.speech_ms[0].start_ms if following else view.recording.audio_ms
    if end_ms >= taking.turn.deadline_ms:
        return None  # the deadline passed in silence: it would have been missed
    return _GOES_ON if following else _ENDED


def told_turn(where: Where, taking: TurnTaking, reason: str | None = None) -> PredictedTurn:
    """What became of one turn; what really happened takes the same form as a prediction.

    Args:
        where: Where it belongs.
        taking: What was made of it.
        reason: Why it is not predictable; None: it is.
    """
    closing, first = taking.closing, next((entry.item for entry in taking.items), None)
    delay = None
    if closing is not None and closing.audio_end_ms is not None and not taking.cut:
        delay = closing.audio_end_ms - taking.turn.speech_ms[-1].end_ms
    clip = None
    if first is not None and first.audio_start_ms is not None:
        clip = max(0.0, first.audio_start_ms - taking.turn.speech_ms[0].start_ms)
    return PredictedTurn(
        *where,
        turn=taking.turn.index,
        predictable=reason is None,
        reason=reason,
        n_holds=taking.n_holds,
        n_cut_holds=taking.n_cut_holds,
        cut=taking.cut,
        merged=taking.merged,
        endpoint_delay_ms=delay,
        onset_clip_ms=clip,
        commit_start_ms=None if closing is None else closing.audio_start_ms,
        commit_end_ms=None if closing is None else closing.audio_end_ms,
    )
