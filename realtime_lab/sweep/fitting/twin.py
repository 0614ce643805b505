"""fit_profile: recordings of a server in, a Profile that behaves like it out, with what could be told and what not.

Delays and lengths are fitted in `analysis.delays`, hearing in `fit_hearing`; here the figures are judged, put together
and explained. A figure that cannot be told keeps the value of the profile the fit began with.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from statistics import median
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from realtime_lab.analysis.rows.reading import SessionView
from realtime_lab.analysis.stats.delays import TAILS, DelayFit, fit_delays
from realtime_lab.analysis.stats.intervals import quantile
from realtime_lab.audio import Script
from realtime_lab.audio.pcm import grid_frames
from realtime_lab.errors import RecordingError
from realtime_lab.recording import Recording
from realtime_lab.server.engine.profile import PROFILES, VAD_FIELDS, Calibration, LogNormal, Profile
from realtime_lab.server.hearing.endpointing import FRAME_MS, MAX_SOON_FRAMES
from realtime_lab.session import Stage
from realtime_lab.sweep.fitting.findings import Finding, findings_html, findings_table, judged, rows_of
from realtime_lab.sweep.fitting.heard_sessions import HeardSession, Library, hear
from realtime_lab.sweep.fitting.hearing import Hearing, edges_of, fit_hearing, implied_padding_ms, implied_silence_ms
from realtime_lab.sweep.fitting.samples import Sample, Samples, gather_samples

if TYPE_CHECKING:
    import pandas as pd

MIN_N = 6
"""Observations below which a figure cannot be told at all: the least with a 95 % interval of the median."""
_DELAYS = ("connect", "create", "first_byte", "transcript_lead", "transcription")
_LENGTHS = ("leading_silence", "response_s", "text_tokens")
_RATES = ("words_per_s", "realtime_factor", "text_tokens_per_s")
_EDGE_TOLERANCE = 0.05
"""A threshold's interval may reach this far: a tenth of the usual one."""

LIMITS = (
    "Delays are drawn independently of each other, of how much was said and of how long the session has lasted.",
    "Thresholds and lateness are on the scale of our own detector: a server with another one is imitated, not copied.",
    "A server that hears sooner than our detector is imitated as hearing onsets at the same time, ends 32 ms sooner.",
    "What was fitted holds for the day, the model and the place it was measured from.",
)
"""What a fitted profile cannot say."""


@dataclass(frozen=True, eq=False)
class ProfileFit:
    """What recordings say about the server that answered."""

    profile: Profile
    """A profile that behaves like it, as far as could be told."""
    findings: tuple[Finding, ...]
    """Every figure with its interval, or why it cannot be told."""
    left_out: tuple[str, ...]
    """Sessions that said nothing about hearing, and why."""
    limits: tuple[str, ...] = LIMITS

    def finding(self, name: str) -> Finding:
        """The finding of one figure, such as `create.median` or `threshold_bias`.

        Raises:
            KeyError: If there is no such figure.
        """
        return next((entry for entry in self.findings if entry.name == name), None) or _no_figure(name)

    def to_frame(self) -> pd.DataFrame:
        """One row per figure: value, low, high, n, verdict, reason, note."""
        import pandas as pd

        return pd.DataFrame(rows_of(self.findings))

    def __str__(self) -> str:
        told = Counter(finding.verdict for finding in self.findings)
        head = f"profile {self.profile.name}: {told['told']} of {len(self.findings)} figures told to 10 %"
        lines = [head, findings_table(self.findings), *self.left_out, *self.limits]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<ProfileFit {self.profile.name}: {len(self.findings)} figures>"

    def _repr_html_(self) -> str:
        return findings_html(self.findings, f"Profile {self.profile.name}")


def _no_figure(name: str) -> Finding:
    raise KeyError(name)


def fit_profile(
    recordings: Iterable[Recording],
    *,
    name: str = "fitted",
    on: str | None = None,
    scripts: Sequence[Script] = (),
    base: Profile = PROFILES["documented"],
    stage: Stage | None = None,
    seed: int = 0,
) -> ProfileFit:
    """Fit a profile to recorded sessions, all of one server.

    Args:
        recordings: Sessions; those that failed are left out.
        name: What the profile is called.
        on: Date of the recordings; with one, the profile says that it was calibrated then, against their target.
        scripts: Scripts of the sessions beside the shipped ones, whose audio is then rendered again.
        base: What a figure keeps that cannot be told.
        stage: Rendered audio and remembered speech probabilities to share; default: a new one.
        seed: Decides the bootstrap samples.

    Returns:
        The profile, and every figure's value with its interval or why it cannot be told.

    Raises:
        RecordingError: If no session is complete, or the sessions are of different targets.
    """
    views = [SessionView(recording) for recording in recordings if recording.header.outcome == "complete"]
    targets = sorted({view.recording.header.target for view in views})
    if len(targets) != 1:
        what = "no session is complete" if not targets else f"sessions of different targets: {', '.join(targets)[:200]}"
        raise RecordingError(f"a profile cannot be fitted: {what}")
    library = Library(scripts, stage or Stage())
    listened = [hear(view, library) for view in views]
    heard = [session for session in listened if isinstance(session, HeardSession)]
    reasons = Counter(reason for reason in listened if isinstance(reason, str))
    samples = gather_samples(views)
    changes: dict[str, Any] = {}
    findings = [*_delay_findings(samples, base, changes), *_hearing_findings(heard, reasons, base, changes, seed)]
    told = {finding.field for finding in findings if finding.verdict == "told" and finding.field in changes}
    changes["by_model"] = base.by_model and not changes.keys() & set(VAD_FIELDS)
    profile = replace(base, name=name, note=f"fitted to {len(views)} sessions with {targets[0]}"[:400], **changes)
    if on is not None:
        minutes = sum(view.recording.audio_ms for view in views) / 60_000
        figures = [entry.name for entry in fields(Profile) if entry.name in _FITTED]
        calibration = Calibration(
            _host(targets[0]),
            on,
            len(views),
            round(minutes, 2),
            tuple(figure for figure in figures if figure in told),
            tuple(figure for figure in figures if figure in changes and figure not in told),
            tuple(figure for figure in figures if figure not in changes),
        )
        profile = replace(profile, note=calibration.statement[:800], calibration=calibration)
    left_out = tuple(f"{count} sessions say nothing about hearing: {why}" for why, count in sorted(reasons.items()))
    return ProfileFit(profile, tuple(findings), left_out)


_LATE = ("threshold_bias", "hysteresis", "onset_late_ms", "offset_late_ms")
_FITTED = {*VAD_FIELDS, *_LATE, "event_ms", *_DELAYS, *_LENGTHS, *_RATES, "audio_delta_ms"}


def _host(target: str) -> str:
    """The host in a target's name, as in `live:127.0.0.1:8765`."""
    kind, _, place = target.partition(":")
    return urlsplit(f"//{place}").netloc or kind if place else kind


# --- delays, lengths, rates -------------------------------------------------------------------------------------


def _delay_findings(samples: Samples, base: Profile, changes: dict[str, Any]) -> Iterator[Finding]:
    yield _level("event_ms", samples.event_ms, changes, samples.resolution_ms)
    for name in (*_DELAYS, *_LENGTHS):
        sample: Sample = getattr(samples, name)
        if name == "connect" and "event_ms" in changes:  # the event that ends it takes its time too
            sample = Sample([max(value - changes["event_ms"], 0.5) for value in sample.seen], [], sample.why_none)
        yield from _distribution(name, sample, changes, samples.resolution_ms if name in _DELAYS else 0.0)
    for name in _RATES:
        yield _level(name, getattr(samples, name), changes, 0.0)
    finding = _level("audio_delta_ms", samples.audio_delta_ms, changes, 0.0)
    if "audio_delta_ms" in changes:
        changes["audio_delta_ms"] = min(max(round(changes["audio_delta_ms"]), 10), 5000)
    yield finding


def _distribution(name: str, sample: Sample, changes: dict[str, Any], resolution_ms: float) -> Iterator[Finding]:
    figures = ("median", "sigma", *(f"p{100 * q:.0f}" for q in TAILS))
    n = len(sample.seen) + len(sample.longer_than)
    fit = fit_delays(sample.seen, sample.longer_than) if len(sample.seen) >= MIN_N else None
    if fit is None:
        why = sample.why_none or f"{n} observations; {MIN_N} are needed"
        yield from (Finding(f"{name}.{figure}", "unknown", n, reason=why) for figure in figures)
        return
    changes[name] = LogNormal(
        fit.median, min(fit.sigma, 3.0), None if fit.upper_sigma is None else min(fit.upper_sigma, 3.0)
    )
    yield judged(
        f"{name}.median", n, fit.median, fit.median_low, fit.median_high, resolution=resolution_ms, note=fit.goodness
    )
    smallest = resolution_ms / fit.median  # what jitter of the clocks adds to the logarithm
    allowed = max(0.1 * fit.sigma, smallest if fit.sigma < 1e-3 else 0.0)
    note = "" if fit.upper_sigma is None else f"{fit.upper_sigma:.3g} above the median"
    yield judged(f"{name}.sigma", n, fit.sigma, fit.sigma_low, fit.sigma_high, allowed=allowed, note=note)
    yield from _tails(name, fit)


def _tails(name: str, fit: DelayFit) -> Iterator[Finding]:
    """Tails as observed, with what the fitted curve says beside them."""
    for tail in fit.tails:
        figure, said = f"{name}.p{100 * tail.q:.0f}", f"fitted curve: {fit.at(tail.q):.4g}"
        if tail.value is None or tail.low is None or tail.high is None or math.isinf(tail.high):
            why = tail.note or "too many were broken off before it"
            yield Finding(figure, "unknown", fit.n, reason=why, note=said)
        else:
            yield judged(figure, fit.n, tail.value, tail.low, tail.high, note=said)


def _level(name: str, sample: Sample, changes: dict[str, Any], resolution_ms: float) -> Finding:
    """A figure that is taken for the same throughout: its median."""
    n = len(sample.seen)
    found = quantile(sample.seen, 0.5)
    if found.value is None or found.low is None or found.high is None:
        return Finding(name, "unknown", n, reason=sample.why_none or f"{n} observations; {MIN_N} are needed")
    changes[name] = found.value
    return judged(name, n, found.value, found.low, found.high, resolution=resolution_ms)


# --- hearing ----------------------------------------------------------------------------------------------------


def _hearing_findings(
    heard: Sequence[HeardSession], reasons: Counter[str], base: Profile, changes: dict[str, Any], seed: int
) -> Iterator[Finding]:
    edges = edges_of(heard, asked_only=True) or edges_of(heard, asked_only=False)
    hearing = fit_hearing(heard, edges, seed) if len(edges) >= 2 * MIN_N else None
    if hearing is None:
        why = next(iter(reasons), "") or f"{len(edges)} edges of speech were reported; {2 * MIN_N} are needed"
        yield from (Finding(figure, "unknown", len(edges), reason=why) for figure in (*_LATE, *VAD_FIELDS))
        return
    yield from _rule_findings(hearing, changes)
    yield _threshold_finding(heard, hearing, changes, seed)
    for name, implied in (("prefix_padding_ms", implied_padding_ms), ("silence_duration_ms", implied_silence_ms)):
        unasked = [session for session in heard if name not in session.asked]
        values = [value for session in unasked for value in implied(session, hearing)]
        yield _default_finding(name, values, unasked, changes)


def _rule_findings(hearing: Hearing, changes: dict[str, Any]) -> Iterator[Finding]:
    n = hearing.n_onsets + hearing.n_offsets
    said = (
        f"{hearing.exact_onsets:.0%} of {hearing.n_onsets} onsets and {hearing.exact_offsets:.0%} of "
        f"{hearing.n_offsets} offsets in the very frame"
    )
    changes["threshold_bias"], changes["hysteresis"] = hearing.bias.value, hearing.hysteresis.value
    yield judged("threshold_bias", n, *hearing.bias, allowed=_EDGE_TOLERANCE, note=said)
    allowed = max(0.1 * hearing.hysteresis.value, 0.015)
    yield judged("hysteresis", hearing.n_offsets, *hearing.hysteresis, allowed=allowed)
    for name, late, count in (
        ("onset_late_ms", hearing.onset_late, hearing.n_onsets),
        ("offset_late_ms", hearing.offset_late, hearing.n_offsets),
    ):
        value, low, high = (FRAME_MS * frames for frames in late)
        soonest = -FRAME_MS * MAX_SOON_FRAMES if name == "offset_late_ms" else 0
        changes[name] = float(max(soonest, value))
        note = "" if value >= soonest else "sooner than our detector: not imitated that far"
        yield judged(name, count, value, low, high, allowed=max(0.1 * abs(value), 1.0), note=note)


def _threshold_finding(heard: Sequence[HeardSession], hearing: Hearing, changes: dict[str, Any], seed: int) -> Finding:
    """The default threshold: as reported, and whether the server acts by it."""
    name = "threshold"
    unasked = [session for session in heard if name not in session.asked]
    if not unasked:
        return Finding(name, "unknown", 0, reason="every session asked for one")
    edges = edges_of(unasked, asked_only=False)
    acting = fit_hearing(unasked, edges, seed) if len(edges) >= 2 * MIN_N else None
    reported = {session.reported.get(name) for session in unasked}
    if acting is None or len(reported) != 1:
        return Finding(name, "unknown", len(edges), reason=f"{len(edges)} edges of speech; {2 * MIN_N} are needed")
    said = reported.pop()
    shift = acting.bias.value - hearing.bias.value
    low, high = acting.bias.low - hearing.bias.value, acting.bias.high - hearing.bias.value
    level = 0.5 if said is None else said
    agrees = said is not None and low <= 1e-9 and high >= -1e-9
    value = level if agrees else level + shift
    changes[name] = min(max(round(value, 4), 0.0), 1.0)
    note = f"the server reports {said:g}" if said is not None else "the server reports none"
    note += ", and acts by it" if agrees else f"; it acts as {level + shift:.2f} would when asked for"
    return judged(name, len(edges), value, level + low, level + high, allowed=0.1 * value, note=note)


def _default_finding(
    name: str, values: Sequence[float], unasked: Sequence[HeardSession], changes: dict[str, Any]
) -> Finding:
    """A default that stands inside reported offsets: what is measured, and what the server reports."""
    n = len(values)
    if not unasked:
        return Finding(name, "unknown", 0, reason="every session asked for one")
    reported = {session.reported[name] for session in unasked if name in session.reported}
    found = quantile(values, 0.5)
    if found.value is None or found.low is None or found.high is None:
        return Finding(name, "unknown", n, reason=f"{n} observations; {MIN_N} are needed")
    value = measured = median(values)
    inside = [FRAME_MS * grid_frames(said) if name == "silence_duration_ms" else said for said in reported]
    agrees = len(reported) == 1 and abs(inside[0] - value) <= FRAME_MS / 2
    value = next(iter(reported)) if agrees else value
    low, high = (edge + value - measured for edge in (found.low, found.high))
    changes[name] = float(max(0.0, value))
    said = ", ".join(f"{level:g}" for level in sorted(reported)) or "none"
    note = f"the server reports {said}" + (", and acts by it" if agrees else "; its offsets say otherwise")
    return judged(name, n, value, low, high, allowed=max(0.1 * value, 2.0), note=note)
