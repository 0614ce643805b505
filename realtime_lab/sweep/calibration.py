"""calibrate: a fixed protocol against a live service, a profile fitted to what it did, and how well that predicts it.

The protocol is a short list of settings, each made to tell something: defaults left unset, thresholds asked for in
noise, where they matter, text answers, silences short and long. Sessions follow it from the top, each with another
script, until enough audio has been sent or the next session might pass the cap. What is spent is reserved before a
session begins and settled from what it was billed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from statistics import median
from typing import Any, NamedTuple

from realtime_lab.analysis.rows import session_rows
from realtime_lab.analysis.stats import quantile
from realtime_lab.audio import Condition, Script, babble, clean, load_scripts
from realtime_lab.config import ServerVad, SessionConfig, Transcription
from realtime_lab.errors import PlanError, Problem, RemoteError
from realtime_lab.recording import Recording
from realtime_lab.session import Live, Stage, mocked, run_session
from realtime_lab.session.live_run import LiveRequest, run_live_together
from realtime_lab.sweep.plan import script_ms
from realtime_lab.sweep.spend import Budget, Price, price_of, trial_ceiling_usd
from realtime_lab.sweep.twin import ProfileFit, fit_profile

__all__ = ["MINUTES", "Calibrated", "Comparison", "Step", "calibrate", "protocol"]

MINUTES = 10.0
"""Audio a calibration sends, unless told otherwise."""
AT_ONCE = 4
"""Sessions held side by side."""
PREDICTIONS = 5
"""Mocked sessions per live one: their draws differ, what they hear does not."""
_USUAL_MS = 45_000.0
"""A session of the protocol takes about this long, its answers included."""
_SETS = "orders"


Hold = Callable[[Sequence[LiveRequest]], Sequence[Recording | Exception]]


@dataclass(frozen=True)
class Step:
    """One session of the protocol."""

    setting: str
    """What it is called in tables."""
    config: SessionConfig
    script: Script
    condition: Condition


class _Asked(NamedTuple):
    """One setting of the protocol; absent figures are left to the server."""

    noisy: bool
    text: bool = False
    threshold: float | None = None
    silence_ms: float | None = None
    padding_ms: float | None = None

    @property
    def name(self) -> str:
        figures = (self.threshold, self.silence_ms, self.padding_ms)
        told = "defaults" if self.threshold is None else "/".join(f"{figure:g}" for figure in figures)
        return f"{told} {'noise' if self.noisy else 'clean'}{' text' if self.text else ''}"


_SETTINGS = (
    _Asked(noisy=False),
    _Asked(True, False, 0.5, 500, 300),
    _Asked(True, False, 0.3, 300, 100),
    _Asked(noisy=True, text=True),
    _Asked(True, False, 0.7, 700, 300),
    _Asked(noisy=True),
    _Asked(False, False, 0.5, 200, 0),
    _Asked(False, True, 0.5, 500, 300),
)
"""The protocol's settings, in order: any beginning of it tells about as much as it can."""


def protocol(model: str, transcription: str | None = "gpt-4o-transcribe") -> Iterator[Step]:
    """The sessions of a calibration, without end.

    Args:
        model: What the sessions ask for.
        transcription: The recogniser they ask for; None: none.
    """
    scripts, conditions = load_scripts(_SETS), (clean(), babble(snr_db=3))
    for number in count():
        asked = _SETTINGS[number % len(_SETTINGS)]
        # Another script each time; later rounds meet each setting with the next one.
        script = scripts[(number + number // len(_SETTINGS)) % len(scripts)]
        given: dict[str, Any] = {
            name: value
            for name, value in (
                ("threshold", asked.threshold),
                ("silence_duration_ms", asked.silence_ms),
                ("prefix_padding_ms", asked.padding_ms),
            )
            if value is not None
        }
        more: dict[str, Any] = {} if transcription is None else {"transcription": Transcription(model=transcription)}
        config = SessionConfig(
            model=model,
            turn_detection=ServerVad(**given),
            output_modalities=["text"] if asked.text else ["audio"],
            **more,
        )
        yield Step(asked.name, config, script, conditions[asked.noisy])


class Comparison(NamedTuple):
    """What one setting did, and what the mocked server with the fitted profile does; None where nothing was seen."""

    setting: str
    sessions: int
    endpoint_delay_ms: tuple[float | None, float | None]
    """Medians over uncut turns: observed, predicted."""
    cut_holds: tuple[int, int]
    holds: tuple[int, int]
    latency_ms: tuple[float | None, float | None]
    """Medians of the wait for the first audible audio; for the first text where answers are text."""
    latency_interval_ms: tuple[float, float] | None
    """95 % interval of the observed median; None with too few turns."""


@dataclass(frozen=True, eq=False)
class Calibrated:
    """What a calibration found."""

    fit: ProfileFit
    comparisons: tuple[Comparison, ...]
    recordings: tuple[Recording, ...]
    spent_usd: float | None
    """None where nothing costs."""
    stopped: str
    """Why no more sessions were held."""

    def table(self) -> str:
        """Observed against predicted, one line per setting."""
        heads = ("threshold/silence/padding", "sessions", "endpoint delay ms", "cut holds", "latency ms (95 %)")
        lines: list[tuple[str, ...]] = [heads, ("", "", *["observed  predicted"] * 3)]
        lines += [_line(comparison) for comparison in self.comparisons]
        widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        )


def _line(entry: Comparison) -> tuple[str, ...]:
    delay = "  ".join(_ms(value).ljust(8) for value in entry.endpoint_delay_ms)
    cuts = "  ".join(f"{cut}/{of}".ljust(8) for cut, of in zip(entry.cut_holds, entry.holds, strict=True))
    between = "" if entry.latency_interval_ms is None else "({:.0f}-{:.0f})".format(*entry.latency_interval_ms)
    latency = f"{_ms(entry.latency_ms[0])} {between}".ljust(18) + _ms(entry.latency_ms[1])
    return entry.setting, str(entry.sessions), delay, cuts, latency


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def calibrate(
    target: Live,
    *,
    on: str,
    model: str = "gpt-realtime-2.1",
    transcription: str | None = "gpt-4o-transcribe",
    name: str = "calibrated",
    minutes: float = MINUTES,
    max_usd: float | None = None,
    seed: int = 0,
    stage: Stage | None = None,
    say: Callable[[str], object] = lambda line: None,
    hold: Hold = run_live_together,
) -> Calibrated:
    """Hold the protocol's sessions with a live service, and fit a profile to them.

    Args:
        target: The service.
        on: Today's date, which the profile then carries.
        model: What the sessions ask for.
        transcription: The recogniser they ask for; None: none.
        name: What the profile is called.
        minutes: Audio to send in all; the last sessions may pass it a little.
        max_usd: What may be spent, USD; a paid target needs it.
        seed: Decides bootstrap samples and mocked draws.
        stage: Rendered audio and remembered speech probabilities to share; default: a new one.
        say: Told how far it is, in lines.
        hold: Holds sessions side by side: a recording or an error for each.

    Returns:
        The fit, how it predicts what was observed, and the recordings.

    Raises:
        ConfigError: If the key's variable is not set.
        PlanError: If `minutes` is no length of time, or a paid target has no `max_usd` or no known price.
        RemoteError: If all sessions of one go failed.
    """
    if not 0 < minutes <= 600:
        raise PlanError([Problem("minutes", minutes, "more than 0 and at most 600")])
    stage = stage or Stage()
    purse = _Purse(target, model, max_usd)
    held = _Held(target, stage, seed, purse, hold)
    steps = protocol(model, transcription)
    while held.audio_ms < 60_000 * minutes and not purse.empty:
        missing = max(1, round((60_000 * minutes - held.audio_ms) / _USUAL_MS))
        held.go([next(steps) for _ in range(min(AT_ONCE, missing))])
        say(f"{len(held.recordings)} sessions, {held.audio_ms / 60_000:.1f} of {minutes:g} minutes{purse.told()}")
    if not held.recordings:
        raise PlanError([Problem("max_usd", max_usd, "enough for one session", f"about {purse.least:.2f} USD")])
    fit = fit_profile(held.recordings, name=name, on=on, stage=stage, seed=seed)
    stopped = "the cap would not cover another session" if purse.empty else f"{minutes:g} minutes of audio were sent"
    spent = None if purse.budget is None else purse.budget.spent_usd
    return Calibrated(fit, tuple(_compared(held, fit)), tuple(held.recordings), spent, stopped)


class _Purse:
    """The cap, if the target costs money."""

    def __init__(self, target: Live, model: str, max_usd: float | None) -> None:
        self.budget: Budget | None = None
        self.empty = False
        self.least = 0.0
        if not target.paid:
            return
        if max_usd is None:
            raise PlanError([Problem("max_usd", None, f"an amount in USD: {target.name} costs money")])
        price = price_of(target.model or model)
        if price is None:
            raise PlanError([Problem("model", model, "a model whose price is known, where money is capped")])
        self._price = price
        self._prices: dict[int, tuple[Price, float]] = {}
        self.budget = Budget(max_usd, self._prices)

    def covers(self, number: int, step: Step) -> bool:
        """Set money aside for a session; False when there is not enough left."""
        if self.budget is None:
            return True
        self.least = trial_ceiling_usd(self._price, step.config, step.script, script_ms(step.script))
        self._prices[number] = (self._price, self.least)
        if self.empty or not self.budget.reserve(number):
            self.empty = True
            return False
        return True

    def settle(self, number: int, recording: Recording | None) -> None:
        """Spend what a session was billed; all that was set aside where nobody says."""
        if self.budget is not None:
            whole = recording is not None and recording.header.outcome == "complete"
            self.budget.settle(number, session_rows(recording).responses if whole and recording is not None else None)

    def told(self) -> str:
        """What was spent, in words."""
        return "" if self.budget is None else f", {self.budget.spent_usd:.2f} of {self.budget.max_usd:g} USD"


@dataclass
class _Held:
    """Sessions held so far."""

    target: Live
    stage: Stage
    seed: int
    purse: _Purse
    hold: Hold
    steps: list[Step] = field(default_factory=list)
    recordings: list[Recording] = field(default_factory=list)
    begun: int = 0

    @property
    def audio_ms(self) -> float:
        return sum(recording.audio_ms for recording in self.recordings)

    def go(self, steps: Sequence[Step]) -> None:
        """Hold some sessions side by side, as many as the cap covers."""
        kept = [(self.begun + n, step) for n, step in enumerate(steps) if self.purse.covers(self.begun + n, step)]
        self.begun += len(steps)
        if not kept:
            return
        requests = [
            LiveRequest(step.config, step.script, step.condition, self.target, self.seed + number, self.stage)
            for number, step in kept
        ]
        failures: list[Exception] = []
        for (number, step), outcome in zip(kept, self.hold(requests), strict=True):
            self.purse.settle(number, None if isinstance(outcome, Exception) else outcome)
            if isinstance(outcome, Exception):
                failures.append(outcome)
            elif outcome.header.outcome != "complete":
                failures.append(RemoteError(outcome.header.failure or "a session failed"))
            else:
                self.steps.append(step)
                self.recordings.append(outcome)
        if len(failures) == len(kept):
            raise failures[0]


def _compared(held: _Held, fit: ProfileFit) -> Iterator[Comparison]:
    target = mocked(fit.profile)
    names = list(dict.fromkeys(step.setting for step in held.steps))
    for name in names:
        pairs = [pair for pair in zip(held.steps, held.recordings, strict=True) if pair[0].setting == name]
        observed = [row for _, recording in pairs for row in session_rows(recording).turns]
        predicted = []
        for number, (step, _) in enumerate(pairs):
            for again in range(PREDICTIONS):
                draws = held.seed + 1_000 * number + again
                mock = run_session(
                    step.config, step.script, target, condition=step.condition, seed=draws, stage=held.stage
                )
                predicted += session_rows(mock).turns
        yield _comparison(name, len(pairs), observed, predicted)


def _comparison(
    name: str, sessions: int, observed: Sequence[dict[str, Any]], predicted: Sequence[dict[str, Any]]
) -> Comparison:
    waits = "first_byte_latency_ms" if name.endswith("text") else "response_latency_ms"
    found = quantile(_numbers(observed, waits), 0.5)
    interval = None if found.low is None or found.high is None else (found.low, found.high)
    return Comparison(
        name,
        sessions,
        (_median(observed, "endpoint_delay_ms"), _median(predicted, "endpoint_delay_ms")),
        (sum(row["n_cut_holds"] or 0 for row in observed), sum(row["n_cut_holds"] or 0 for row in predicted)),
        (sum(row["n_holds"] or 0 for row in observed), sum(row["n_holds"] or 0 for row in predicted)),
        (_median(observed, waits), _median(predicted, waits)),
        interval,
    )


def _numbers(rows: Sequence[dict[str, Any]], name: str) -> list[float]:
    return [row[name] for row in rows if row[name] is not None]


def _median(rows: Sequence[dict[str, Any]], name: str) -> float | None:
    values = _numbers(rows, name)
    return median(values) if values else None
