"""calibrate: a fixed protocol against a live service, a profile fitted to what it did, and how well that predicts it.

The protocol is a short list of settings, each made to tell something: defaults left unset, thresholds asked for in
noise, where they matter, text answers, silences short and long. Sessions follow it from the top, each with another
script, until enough audio has been sent or the next session might pass the cap. What is spent is reserved before a
session begins and settled from what it was billed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from statistics import median
from typing import Any, NamedTuple

from realtime_lab.analysis.cost import Price
from realtime_lab.analysis.rows.session import session_rows
from realtime_lab.analysis.stats.intervals import quantile
from realtime_lab.audio import Condition, Script, babble, clean, load_scripts
from realtime_lab.config import ServerVad, SessionConfig, Transcription
from realtime_lab.errors import PlanError, Problem, RemoteError
from realtime_lab.recording import Recording
from realtime_lab.session import Live, Stage, mocked, run_session
from realtime_lab.session.live.run import LiveRequest, run_live_together
from realtime_lab.sweep.fitting.twin import ProfileFit, fit_profile
from realtime_lab.sweep.plans.costs import load_prices
from realtime_lab.sweep.running.spend import NOTHING, Budget, Cap, Used, Verdict, bill_of, trial_ceiling_usd

MINUTES = 10.0
"""Audio a calibration sends, unless told otherwise."""
AT_ONCE = 4
"""Sessions held side by side."""
PREDICTIONS = 5
"""Mocked sessions per live one: their draws differ, what they hear does not."""
_USUAL_MS = 45_000.0
"""A session of the protocol takes about this long, its answers included."""
_SETS = "orders"
INSTRUCTIONS = "Answer in one short sentence."
ANSWER_TOKENS = 120
"""What an answer may take: it bounds what a session may cost; longer answers count as longer than this."""


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
            instructions=INSTRUCTIONS,
            max_output_tokens=ANSWER_TOKENS,
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
    steps: list[Step] = []
    following = protocol(model, transcription)
    while held.audio_ms < 60_000 * minutes and not purse.empty:
        missing = max(1, round((60_000 * minutes - held.audio_ms) / _USUAL_MS))
        wanted = min(AT_ONCE, missing)
        steps += islice(following, max(0, held.begun + wanted - len(steps)))
        held.go(steps[held.begun : held.begun + wanted])
        say(f"{len(held.recordings)} sessions, {held.audio_ms / 60_000:.1f} of {minutes:g} minutes{purse.told()}")
    if not held.recordings:
        raise PlanError([Problem("max_usd", max_usd, "enough for one session", f"about {purse.least:.2f} USD")])
    fit = fit_profile(held.recordings, name=name, on=on, stage=stage, seed=seed)
    stopped = "the cap would not cover another session" if purse.empty else f"{minutes:g} minutes of audio were sent"
    return Calibrated(fit, tuple(_compared(held, fit)), tuple(held.recordings), purse.spent_usd, stopped)


class _Purse:
    """The cap, if the target costs money."""

    def __init__(self, target: Live, model: str, max_usd: float | None) -> None:
        self.cap: Cap | None = None
        self.empty = False
        self._passed_over = 0
        self.least = 0.0
        if not target.paid:
            return
        if max_usd is None:
            raise PlanError([Problem("max_usd", None, f"an amount in USD: {target.name} costs money")])
        table = load_prices()
        price = table.price(target.model or model)
        if price is None:
            raise PlanError([Problem("model", model, "a model whose price is known, where money is capped")])
        self._price = price
        self._prices: dict[int, Price] = {}
        self._recognisers: dict[int, Any] = {}
        self._ceilings: dict[int, float] = {}
        self.cap = Cap("max_usd", max_usd, self._ceilings, bill_of(self._prices, self._recognisers, table))
        self._budget = Budget([self.cap])

    @property
    def spent_usd(self) -> float | None:
        """What was spent; None where nothing costs."""
        return None if self.cap is None else self.cap.spent

    def covers(self, number: int, step: Step, first: bool) -> Verdict:
        """Set money aside for a session: now, later when others have come back, or never.

        Args:
            number: The session's.
            step: What it is.
            first: Whether it is the first one that is held next.
        """
        if self.cap is None:
            return "now"
        self._prices[number] = self._price
        self._recognisers[number] = step.config.get("audio.input.transcription.model")
        self._ceilings[number] = self.least = trial_ceiling_usd(self._price, step.config, step.script)
        verdict = self._budget.reserve(number, alone=first)
        self._passed_over = self._passed_over + 1 if verdict == "never" else 0
        self.empty = self._passed_over >= len(_SETTINGS)
        return verdict

    def settle(self, number: int, recording: Recording | None) -> None:
        """Spend what a session was billed; all that was set aside where nobody says."""
        if self.cap is None:
            return
        if recording is None or recording.audio_ms == 0:
            self._budget.settle(number, NOTHING)
        elif recording.header.outcome != "complete":
            self._budget.settle(number, None)
        else:
            rows = session_rows(recording)
            self._budget.settle(number, Used(rows.responses, rows.trials[0]))

    def told(self) -> str:
        """What was spent, in words."""
        return "" if self.cap is None else f", {self.cap.spent:.2f} of {self.cap.limit:g} USD"


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
        kept: list[tuple[int, Step]] = []
        for number, step in enumerate(steps, self.begun):
            verdict = self.purse.covers(number, step, first=not kept)
            if verdict == "later":
                break
            self.begun += 1  # one that is not covered is passed over: the next may cost less
            kept += [(number, step)] if verdict == "now" else []
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
    target = mocked(fit.profile, transcriber="simulated")  # when words come matters here, not which
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
