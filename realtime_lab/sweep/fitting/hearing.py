"""How a server hears, told from where it says that speech began and ended: thresholds and lateness on our scale.

The yardstick is our own detector on the same audio. Every reported edge is a test of a candidate rule: started where
the rule was at that moment, where would it have put the edge? A candidate's loss is the sum of those distances in
frames, each at most `CAP_FRAMES`, so that one odd edge decides nothing. Candidates are a bias of the threshold, a
hysteresis and a lateness of onsets and offsets, together. Several candidates often do equally well (on clean speech a
threshold of .3 or .7 gives the same edges): the interval is the widest reach of the best ones over bootstrap samples
of the edges, so what the audio cannot tell comes out wide.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.pcm import grid_frames
from realtime_lab.server.hearing.endpointing import FRAME_MS, MAX_LATE_FRAMES, MAX_SOON_FRAMES, EndpointRule, heard_late
from realtime_lab.sweep.fitting.heard_sessions import HeardSession

CAP_FRAMES = 8
"""An edge farther away than this counts as this far: 256 ms."""
_LEVELS = np.round(np.arange(1, 100) / 100.0, 2)
_BIASES = np.round(np.arange(-45, 46) / 100.0, 2)
_HYSTERESES = np.round(np.arange(0, 41) / 100.0, 2)
_REACH = 2
"""Lateness is tried this many frames around its first estimate."""
_REPLICATES = 200
_TAILS = (0.025, 0.975)

Values = NDArray[np.float64]


class Range(NamedTuple):
    """A figure and the interval that the edges leave it."""

    value: float
    low: float
    high: float


class Edge(NamedTuple):
    """One reported edge of speech, in frames of the session."""

    session: int
    started: bool
    from_frame: int
    """Started: the first frame after the endpoint before. Stopped: the frame at which this speech began."""
    at_frame: float
    """Started: the first speech frame. Stopped: the last one. inf: none came before the session's end."""
    level: float
    """The threshold in force, as asked for or reported."""
    silent_frames: int
    """Stopped: silent frames that end speech."""


@dataclass(frozen=True)
class Hearing:
    """What the edges say."""

    bias: Range
    """Added to the threshold asked for."""
    hysteresis: Range
    onset_late: Range
    """Frames; a value below 0 means sooner than our detector."""
    offset_late: Range
    """Frames."""
    n_onsets: int
    n_offsets: int
    exact_onsets: float
    """Share of onsets that the rule puts into the very frame reported."""
    exact_offsets: float

    def rule(self, level: float, silence_ms: float) -> EndpointRule:
        """The rule at one setting."""
        return EndpointRule(
            float(np.clip(level + self.bias.value, 0.01, 0.99)),
            silence_ms,
            self.hysteresis.value,
            onset_late_frames=max(0, round(self.onset_late.value)),
            offset_late_frames=max(-MAX_SOON_FRAMES, round(self.offset_late.value)),
        )


def edges_of(sessions: Sequence[HeardSession], *, asked_only: bool) -> list[Edge]:
    """The edges of sessions whose settings are known.

    Args:
        sessions: What was heard.
        asked_only: Leave out sessions in which the threshold was not asked for.
    """
    edges: list[Edge] = []
    for number, session in enumerate(sessions):
        level, silence_ms = session.known("threshold"), session.known("silence_duration_ms")
        padding_ms = session.known("prefix_padding_ms")
        if level is None or silence_ms is None or padding_ms is None:
            continue
        if not asked_only or "threshold" in session.asked:
            edges += _edges(number, session, level, silence_ms, padding_ms)
    return edges


def _edges(number: int, session: HeardSession, level: float, silence_ms: float, padding_ms: float) -> Iterator[Edge]:
    silent = grid_frames(silence_ms)
    after = 0
    for item in session.items:
        onset = (item.start_ms + padding_ms) / FRAME_MS
        if item.start_ms > 0:  # else the padding may reach beyond the session's first sample
            yield Edge(number, True, after, onset, level, silent)
        if item.end_ms is None:
            return
        if item.start_ms > 0:
            yield Edge(number, False, round(onset), item.end_ms / FRAME_MS - silent - 1, level, silent)
        after = math.ceil(round(item.end_ms / FRAME_MS, 6))
    if after < len(session.probabilities):
        yield Edge(number, True, after, math.inf, level, silent)


def fit_hearing(sessions: Sequence[HeardSession], edges: Sequence[Edge], seed: int = 0) -> Hearing | None:
    """Find the rule that explains the edges best.

    Args:
        sessions: Whose probabilities the edges are held against.
        edges: As `edges_of` gives them.
        seed: Decides the bootstrap samples.

    Returns:
        What they say; None without an onset and an offset.
    """
    onsets = [edge for edge in edges if edge.started]
    offsets = [edge for edge in edges if not edge.started]
    if not any(math.isfinite(edge.at_frame) for edge in onsets) or not offsets:
        return None
    first = _first_lateness(sessions, onsets, offsets)
    lateness = [(on, off) for on in _around(first[0]) for off in _around(first[1])]
    losses = _Losses(sessions, onsets, offsets, lateness)
    best = losses.best(np.ones(len(onsets)), np.ones(len(offsets)))
    rng = np.random.default_rng([seed, 3])
    reach = []
    for _ in range(_REPLICATES):
        weights = (rng.multinomial(len(kind), np.full(len(kind), 1 / len(kind))) for kind in (onsets, offsets))
        reach.append(losses.best(*(weight.astype(float) for weight in weights)).reach)
    lows, highs = (
        np.quantile([r[0] for r in reach], _TAILS[0], axis=0),
        np.quantile([r[1] for r in reach], _TAILS[1], axis=0),
    )
    ranges = [
        Range(float(at), min(float(low), float(at)), max(float(high), float(at)))
        for at, low, high in zip(best.place, lows, highs, strict=True)
    ]
    exact = losses.exact(best)
    sooner = [min(0.0, round(early)) for early in first]
    late = [
        found if found.value > 0 or not early else Range(early, early, found.high)
        for found, early in zip(ranges[:2], sooner, strict=True)
    ]
    seen = sum(math.isfinite(edge.at_frame) for edge in onsets)
    return Hearing(ranges[2], ranges[3], late[0], late[1], seen, len(offsets), *exact)


def _around(frames: float) -> range:
    middle = min(max(round(frames), 0), MAX_LATE_FRAMES)
    return range(max(0, middle - _REACH), min(MAX_LATE_FRAMES, middle + _REACH) + 1)


def _first_lateness(
    sessions: Sequence[HeardSession], onsets: Sequence[Edge], offsets: Sequence[Edge]
) -> tuple[float, float]:
    """Median distance of reported edges from those of an unbiased rule, frames; negative where they come sooner."""
    found = []
    for kind in (onsets, offsets):
        distances = []
        for edge in kind:
            p = sessions[edge.session].probabilities
            start = max(0, edge.from_frame - (0 if edge.started else 6))
            level = edge.level if edge.started else max(edge.level - 0.15, 0.01)
            here = _predicted(p, edge._replace(from_frame=start), np.array([level]), late=12)[0]
            if math.isfinite(here) and math.isfinite(edge.at_frame):
                distances.append(edge.at_frame - here)
        found.append(float(np.median(distances)) if distances else 0.0)
    return found[0], found[1]


def _predicted(p: Values, edge: Edge, levels: Values, late: int = 0) -> Values:
    """Where a rule at each of `levels` puts an edge: frames, inf where it finds none in reach."""
    limit = len(p) if math.isinf(edge.at_frame) else math.ceil(edge.at_frame) + CAP_FRAMES + 2 + late
    if edge.started:
        window = np.maximum.accumulate(p[edge.from_frame : limit])
        first = np.searchsorted(window, levels, side="left")
        return np.where(first < len(window), edge.from_frame + first, math.inf)
    window = p[edge.from_frame : limit + edge.silent_frames]
    if not len(window):
        return np.full(len(levels), math.inf)
    places = np.arange(len(window))
    speech = window[None, :] >= levels[:, None]
    speech[:, 0] = True
    last = np.maximum.accumulate(np.where(speech, places, 0), axis=1)
    fired = places - last >= edge.silent_frames
    at = fired.argmax(axis=1)
    rows = np.arange(len(levels))
    return np.where(fired[rows, at], edge.from_frame + last[rows, at], math.inf)


class _Best(NamedTuple):
    """The candidate chosen among the best, and how far the best reach: (onset, offset, bias, hysteresis)."""

    place: tuple[float, float, float, float]
    reach: tuple[tuple[float, ...], tuple[float, ...]]
    lateness: int
    bias: int
    hysteresis: int


class _Losses:
    """Losses of every edge under every candidate, and sums of them."""

    def __init__(
        self,
        sessions: Sequence[HeardSession],
        onsets: Sequence[Edge],
        offsets: Sequence[Edge],
        lateness: Sequence[tuple[int, int]],
    ) -> None:
        self._lateness = lateness
        self._groups = sorted({edge.level for edge in (*onsets, *offsets)})
        # Indices into _LEVELS of the threshold, and of the threshold that keeps speech going, for every candidate.
        started = [np.clip(level + _BIASES, 0.01, 0.99) for level in self._groups]
        kept = [np.clip(level[:, None] - _HYSTERESES[None, :], 0.01, 0.99) for level in started]
        self._started = [_index(level) for level in started]
        self._kept = [_index(level) for level in kept]
        late = [
            [
                heard_late(session.probabilities, EndpointRule(0.5, 0, onset_late_frames=on, offset_late_frames=off))
                for session in sessions
            ]
            for on, off in lateness
        ]
        self._onsets = self._table(onsets, late)
        self._offsets = self._table(offsets, late)
        self._of_group = [
            [np.array([edge.level == level for edge in kind]) for level in self._groups] for kind in (onsets, offsets)
        ]

    @staticmethod
    def _table(edges: Sequence[Edge], late: Sequence[Sequence[Values]]) -> Values:
        """Shape (edges, lateness, levels)."""
        table = np.zeros((len(edges), len(late), len(_LEVELS)))
        for row, edge in enumerate(edges):
            for column, sessions in enumerate(late):
                found = _predicted(sessions[edge.session], edge, _LEVELS)
                with np.errstate(invalid="ignore"):
                    away = np.abs(found - edge.at_frame)
                # No edge where none was reported is right.
                away = np.where(np.isinf(found) & math.isinf(edge.at_frame), 0.0, away)
                table[row, column] = np.minimum(away, CAP_FRAMES)
        return table

    def total(self, onset_weights: Values, offset_weights: Values) -> Values:
        """Weighted loss of every candidate, shape (lateness, biases, hystereses)."""
        total = np.zeros((len(self._lateness), len(_BIASES), len(_HYSTERESES)))
        for group in range(len(self._groups)):
            of_onsets, of_offsets = self._of_group[0][group], self._of_group[1][group]
            onset = np.tensordot(onset_weights * of_onsets, self._onsets, 1)
            offset = np.tensordot(offset_weights * of_offsets, self._offsets, 1)
            total += onset[:, self._started[group]][:, :, None] + offset[:, self._kept[group]]
        return total

    def best(self, onset_weights: Values, offset_weights: Values) -> _Best:
        """The candidate in the middle of those with the least loss."""
        total = self.total(onset_weights, offset_weights)
        tied = np.argwhere(total <= total.min() + 1e-9)
        points = np.array([(*self._lateness[c], _BIASES[b], _HYSTERESES[h]) for c, b, h in tied], dtype=float)
        scale = np.array([1.0, 1.0, 0.05, 0.05])
        middle = np.argmin(np.abs((points - points.mean(axis=0)) / scale).sum(axis=1))
        chosen = points[middle]
        lows, highs = points.min(axis=0), points.max(axis=0)
        lateness, bias, hysteresis = (int(part) for part in tied[middle])
        return _Best(
            (float(chosen[0]), float(chosen[1]), float(chosen[2]), float(chosen[3])),
            (tuple(lows.tolist()), tuple(highs.tolist())),
            lateness,
            bias,
            hysteresis,
        )

    def exact(self, best: _Best) -> tuple[float, float]:
        """Shares of onsets and of offsets that a candidate puts into the very frame."""
        shares = []
        for table, of_group, index in (
            (self._onsets, self._of_group[0], [level[best.bias] for level in self._started]),
            (self._offsets, self._of_group[1], [level[best.bias, best.hysteresis] for level in self._kept]),
        ):
            hits = sum(
                int(np.count_nonzero(table[rows, best.lateness, int(level)] < 0.5))
                for rows, level in zip(of_group, index, strict=True)
            )
            shares.append(hits / len(table))
        return shares[0], shares[1]


def _index(levels: Values) -> NDArray[np.int64]:
    """Places in _LEVELS."""
    return np.rint(levels * 100).astype(np.int64) - 1


def implied_silence_ms(session: HeardSession, hearing: Hearing) -> list[float]:
    """The silence inside each endpoint of a session, whatever was asked for: audio_end_ms minus the end of speech.

    The threshold must be known. Nothing comes between the end of speech and the endpoint but silence, so the end of
    speech is the last frame before the endpoint that keeps speech going. So it is whole frames, up to one too many.
    """
    level = session.known("threshold")
    if level is None:
        return []
    rule = hearing.rule(level, 0.0)
    p = heard_late(session.probabilities, rule)
    found = []
    for item in session.items:
        if item.end_ms is not None:
            speech = np.flatnonzero(p[: math.floor(item.end_ms / FRAME_MS)] >= rule.keep_threshold)
            if len(speech):
                found.append(item.end_ms - rule.end_ms(int(speech[-1]) + 1, 0))
    return found


def implied_padding_ms(session: HeardSession, hearing: Hearing) -> list[float]:
    """The padding inside each start of speech of a session, whatever was asked for. The threshold must be known."""
    level = session.known("threshold")
    if level is None:
        return []
    rule = hearing.rule(level, 0.0)
    p = heard_late(session.probabilities, rule)
    found, after = [], 0
    for item in session.items:
        speech = np.flatnonzero(p[after:] >= rule.threshold)
        if item.start_ms > 0 and len(speech):
            found.append(FRAME_MS * (after + int(speech[0])) - item.start_ms)
        if item.end_ms is None:
            break
        after = math.ceil(round(item.end_ms / FRAME_MS, 6))
    return found
