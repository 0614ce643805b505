"""One turn as inline SVG and its three figures as HTML: strings only, so that a move redraws in milliseconds.

The waveform, the probabilities and the axis depend on the audio alone and are written once; what the settings decide
is laid over them. Lanes, top to bottom: waveform, who speaks when (caller, server), speech probability, time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio import SAMPLE_RATE_HZ, Interval
from realtime_lab.server.hearing.endpointing import FRAME_MS, EndpointRule
from realtime_lab.session.caller import DEADLINE_MS
from realtime_lab.widgets.markup import Frame, figure, text
from realtime_lab.widgets.plan.hearing import Heard, Hearing

_WIDTH, _HEIGHT = 1040, 282
_LEFT, _RIGHT = 74, 1008
_WAVE = (22, 112)
_CALLER_Y, _SERVER_Y, _BAR = 120, 138, 10
_CHANCE = (164, 250)
_COLUMNS = 478
_BEFORE_MS, _AFTER_MS, _ROOM_MS, _STEP_MS = 300.0, 1_300.0, 250.0, 500.0
_TICKS_MS = (250, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000)
_MOST_TICKS = 14
_CHARACTER_WIDTH = 7.2
_HOLD_ROOM = 52.0
FRAME = Frame(_LEFT / _WIDTH, _RIGHT / _WIDTH, (_WAVE[0] - 4) / _HEIGHT, _CHANCE[1] / _HEIGHT)
"""Where in the picture the stretch of time lies."""


class _Window(NamedTuple):
    """The stretch of time that is shown."""

    start_ms: float
    end_ms: float

    def x(self, t_ms: float) -> float:
        """Where a time is, held inside the picture."""
        share = (t_ms - self.start_ms) / (self.end_ms - self.start_ms)
        return round(_LEFT + (_RIGHT - _LEFT) * min(max(share, 0.0), 1.0), 1)

    def shows(self, t_ms: float) -> bool:
        return self.start_ms <= t_ms <= self.end_ms


class HearingPicture:
    """Draws one turn under any detection.

    Args:
        hearing: The turn.
    """

    def __init__(self, hearing: Hearing) -> None:
        self._hearing = hearing
        self._ground: dict[_Window, str] = {}

    def svg(self, heard: Heard) -> str:
        """The turn under one detection."""
        window = self._window(heard)
        if window not in self._ground:
            self._ground[window] = "".join(self._static(window))
        label = f"{_endpoint_words(heard)}; pauses cut: {heard.taking.n_cut_holds} of {heard.taking.n_holds}"
        return (
            f'<svg class="rl-svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{text(label)}">'
            f"{self._ground[window]}{''.join(_dynamic(heard, window))}</svg>"
        )

    def window(self, heard: Heard) -> Interval:
        """The stretch of time that the picture of this detection shows, ms."""
        return Interval(*self._window(heard))

    def _window(self, heard: Heard) -> _Window:
        speech = self._hearing.speech_ms
        until = speech[-1].end_ms + _AFTER_MS
        if heard.endpoint_ms is not None:
            # Longer in steps, so that the picture stands still while a slider is moved.
            late = heard.endpoint_ms + _ROOM_MS - until
            until += max(0, math.ceil(late / _STEP_MS)) * _STEP_MS
        return _Window(max(0.0, speech[0].start_ms - _BEFORE_MS), until)

    def _static(self, window: _Window) -> Iterator[str]:
        for label, y in (("audio", sum(_WAVE) / 2), ("caller", _CALLER_Y + 5), ("server", _SERVER_Y + 5)):
            yield f'<text x="0" y="{y + 4:g}">{label}</text>'
        for label, y in (("speech", -3), ("probability", 11)):
            yield f'<text x="0" y="{sum(_CHANCE) / 2 + y:g}">{label}</text>'
        yield f'<path d="{_wave(self._hearing.pcm, window)}" fill="var(--rl-muted)" opacity=".65"/>'
        line = _chance(self._hearing.probabilities, window)
        yield f'<path d="{line}V{_CHANCE[1]}H{_LEFT}Z" fill="var(--rl-muted)" opacity=".13"/>'
        yield f'<path d="{line}" fill="none" stroke="var(--rl-muted)" stroke-width="1.2"/>'
        yield f'<path d="M{_LEFT} {_CHANCE[1]}H{_RIGHT}" stroke="var(--rl-faint)"/>'
        yield from _ticks(window)
        yield from (_bar(window, part, _CALLER_Y, "var(--rl-ink)", 0.75) for part in self._hearing.speech_ms)
        yield from _holds(self._hearing.speech_ms, window)


def _holds(speech_ms: tuple[Interval, ...], window: _Window) -> Iterator[str]:
    """The caller's pauses, with their length where there is room."""
    for before, after in itertools.pairwise(speech_ms):
        left, right, y = window.x(before.end_ms), window.x(after.start_ms), _CALLER_Y + _BAR / 2
        yield f'<path class="rl-hold" d="M{left} {y}H{right}" stroke="var(--rl-muted)" stroke-dasharray="2 2"/>'
        if right - left >= _HOLD_ROOM:
            words = f"{after.start_ms - before.end_ms:,.0f} ms"
            back = (
                f'<rect x="{(left + right) / 2 - 24:.1f}" y="{y - 6}" width="48" height="12" fill="var(--rl-ground)"/>'
            )
            yield f'{back}<text x="{(left + right) / 2:.1f}" y="{y + 4}" text-anchor="middle">{words}</text>'


def _dynamic(heard: Heard, window: _Window) -> Iterator[str]:
    for item, detected in zip(heard.items_ms, heard.detected_ms, strict=True):
        yield _bar(window, item, _SERVER_Y, "var(--rl-blue)", 0.25)
        yield _bar(window, detected, _SERVER_Y, "var(--rl-blue)", 0.9)
    yield from _thresholds(heard, window)
    if heard.onset_clip_ms:
        start_ms = heard.speech_ms[0].start_ms
        left, right = window.x(start_ms), window.x(start_ms + heard.onset_clip_ms)
        size = f'width="{max(right - left, 1.5):.1f}" height="{_WAVE[1] - _WAVE[0]}"'
        yield f'<rect class="rl-clip" x="{left}" y="{_WAVE[0]}" {size} fill="var(--rl-red)" opacity=".35"/>'
    if heard.endpoint_ms is not None:
        end = window.x(heard.speech_ms[-1].end_ms)
        width = max(0.0, window.x(heard.endpoint_ms) - end)
        size = f'width="{width:.1f}" height="{_WAVE[1] - _WAVE[0]}"'
        yield f'<rect x="{end}" y="{_WAVE[0]}" {size} fill="var(--rl-green)" opacity=".12"/>'
    yield from _marks(heard, window)


def _marks(heard: Heard, window: _Window) -> Iterator[str]:
    """A line where the turn was taken and where it was cut; right to left, labels only where there is room."""
    marks = [(cut_ms, "rl-cut", "var(--rl-red)", "cut off") for cut_ms in heard.cuts_ms if window.shows(cut_ms)]
    if heard.endpoint_ms is not None:
        marks.append((heard.endpoint_ms, "rl-endpoint", "var(--rl-green)", "turn taken"))
    free = float(_WIDTH)
    for t_ms, name, colour, label in reversed(marks):
        x = window.x(t_ms)
        yield f'<path class="{name}" d="M{x} {_WAVE[0] - 4}V{_CHANCE[1]}" stroke="{colour}" stroke-width="1.8"/>'
        half = _CHARACTER_WIDTH * len(label) / 2
        middle = min(x, free - half)
        if x - middle <= half:
            free = middle - half - _CHARACTER_WIDTH
            style = f"fill:{colour};font-weight:600"
            yield f'<text x="{middle:.1f}" y="{_WAVE[0] - 9}" text-anchor="middle" style="{style}">{label}</text>'


def _thresholds(heard: Heard, window: _Window) -> Iterator[str]:
    detection = heard.detection
    rule = EndpointRule(detection.threshold, detection.silence_duration_ms)
    lines = (("threshold", rule.threshold, "5 3", 1.4), ("keep", rule.keep_threshold, "1.5 3", 1.0))
    for name, chance, dashes, width in lines:
        y = _chance_y(chance)
        style = f'stroke="var(--rl-blue)" stroke-width="{width}" stroke-dasharray="{dashes}"'
        yield f'<path class="rl-{name}" d="M{_LEFT} {y}H{_RIGHT}" {style}/>'
    yield f'<text x="{_RIGHT + 5}" y="{_chance_y(rule.threshold) + 4:g}">{rule.threshold:g}</text>'


def _bar(window: _Window, part: Interval, y: float, colour: str, opacity: float) -> str:
    if part.start_ms >= window.end_ms or part.end_ms <= window.start_ms:
        return ""
    left, right = window.x(part.start_ms), window.x(part.end_ms)
    size = f'width="{max(right - left, 1.0):.1f}" height="{_BAR}"'
    return f'<rect x="{left}" y="{y}" {size} rx="2" fill="{colour}" opacity="{opacity}"/>'


def _wave(pcm: NDArray[np.int16], window: _Window) -> str:
    """The envelope, lowest and highest sample of each column, at full height for the loudest."""
    start, stop = (round(t_ms * SAMPLE_RATE_HZ / 1000) for t_ms in window)
    shown = pcm[start : min(stop, len(pcm))].astype(np.int64)
    edges = np.linspace(0, len(shown), min(_COLUMNS, len(shown)) + 1).astype(np.int64)[:-1]
    tops, bottoms = np.maximum.reduceat(shown, edges), np.minimum.reduceat(shown, edges)
    middle, half = sum(_WAVE) / 2, (_WAVE[1] - _WAVE[0]) / 2
    scale = half / max(int(np.abs(shown).max()), 1)
    width = (_RIGHT - _LEFT) * len(shown) / (stop - start)
    xs = _LEFT + width * np.arange(len(edges)) / max(len(edges) - 1, 1)
    upper = [f"{x:.0f} {middle - top * scale - 0.4:.1f}" for x, top in zip(xs, tops, strict=True)]
    lower = [f"{x:.0f} {middle - low * scale + 0.4:.1f}" for x, low in zip(xs[::-1], bottoms[::-1], strict=True)]
    return f"M{'L'.join([*upper, *lower])}Z"


def _chance(probabilities: NDArray[np.float32], window: _Window) -> str:
    """Steps of 32 ms; where there are too many for the picture, the highest of several."""
    first, last = int(window.start_ms // FRAME_MS), math.ceil(window.end_ms / FRAME_MS)
    shown = probabilities[first:last]
    each = max(1, len(shown) // (2 * _COLUMNS))
    highest = np.maximum.reduceat(shown, np.arange(0, len(shown), each))
    points = [f"M{_LEFT} {_chance_y(float(highest[0]))}"]
    for number, chance in enumerate(highest):
        end_ms = min((first + (number + 1) * each) * FRAME_MS, (first + len(shown)) * FRAME_MS)
        points.append(f"V{_chance_y(float(chance))}H{window.x(end_ms)}")
    return "".join(points)


def _chance_y(chance: float) -> float:
    return round(_CHANCE[1] - (_CHANCE[1] - _CHANCE[0]) * chance, 1)


def _ticks(window: _Window) -> Iterator[str]:
    span_ms = window.end_ms - window.start_ms
    step_ms = next((step for step in _TICKS_MS if span_ms / step <= _MOST_TICKS), _TICKS_MS[-1])
    for number in range(math.ceil(window.start_ms / step_ms), math.floor(window.end_ms / step_ms) + 1):
        x, t_s = window.x(number * step_ms), number * step_ms / 1000
        yield f'<path d="M{x} {_CHANCE[1]}v4" stroke="var(--rl-faint)"/>'
        yield f'<text x="{x}" y="{_CHANCE[1] + 18}" text-anchor="middle">{t_s:g} s</text>'


def figures(heard: Heard) -> str:
    """The three numbers of a turn: its delay, its cut pauses, its clipped onset."""
    return f'<div class="rl-figures">{_delay(heard)}{_pauses(heard)}{_onset(heard)}</div>'


def _delay(heard: Heard) -> str:
    name = "Endpoint delay"
    if heard.taking.cut:
        return figure(name, "cut off", note="no delay is measured for a cut turn", main=True, bad=True)
    if heard.endpoint_delay_ms is None:
        return figure(name, "missed", note=_endpoint_words(heard), main=True, bad=True)
    return figure(name, f"{heard.endpoint_delay_ms:,.0f}", "ms", "from the end of speech to the endpoint", main=True)


def _pauses(heard: Heard) -> str:
    taking = heard.taking
    amid = len(taking.cuts) - taking.n_cut_holds
    note = f"taken for the end of the turn{f', {amid} more amid speech' if amid > 0 else ''}"
    if not taking.n_holds:
        return figure("Pauses cut", "none to cut", note=note if taking.cuts else "", bad=taking.cut)
    return figure("Pauses cut", f"{taking.n_cut_holds} of {taking.n_holds}", note=note, bad=taking.cut)


def _onset(heard: Heard) -> str:
    name = "Onset clipped"
    if heard.onset_clip_ms is None:
        return figure(name, "not heard", bad=True)
    clip_ms = heard.onset_clip_ms
    return figure(name, f"{clip_ms:,.0f}", "ms", "speech lost before the item starts", bad=clip_ms > 0)


def _endpoint_words(heard: Heard) -> str:
    if heard.endpoint_ms is None:
        return f"no endpoint within {DEADLINE_MS / 1000:g} s of the end"
    return f"endpoint {heard.endpoint_ms - heard.speech_ms[-1].end_ms:,.0f} ms after the end of speech"


def spoken(hearing: Hearing) -> str:
    """One line on what is heard: script, turn, words, condition, and who says where speech is."""
    turn = hearing.script.turns[hearing.turn]
    words = f"“{text(turn.text, 160)}”" if turn.text else "no transcript"
    place = f"turn {hearing.turn} ({hearing.turn + 1} of {len(hearing.script.turns)})"
    title = f"<b>{text(hearing.script.id, 80)}</b>, {place}"
    line = f"{hearing.condition.name}; edges of speech: {hearing.script.reference_source}"
    return f'{title} &nbsp;·&nbsp; {words}<br><span class="rl-muted">{text(line)}</span>'
