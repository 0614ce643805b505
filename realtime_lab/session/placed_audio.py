"""The audio a session on the virtual clock has heard: passages where they were played, by reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from realtime_lab.audio.pcm import GRID_MS
from realtime_lab.server.spans import HeardSpan, sample_at
from realtime_lab.session.caller import Placement
from realtime_lab.session.stage import Stage

__all__ = ["PlacedAudio"]


@dataclass
class PlacedAudio:
    """A HeardAudio over the caller's placements.

    Args:
        stage: Gives passages as the server hears them.
    """

    stage: Stage
    placements: Sequence[Placement] = ()
    """What is played, from which frame on; each until the next begins."""
    wire_form: tuple[str, str | None] = ("audio/pcm", None)
    """Audio format, and the noise reduction if there is one."""

    def span(self, start_ms: float, end_ms: float) -> HeardSpan:
        """Audio time [start_ms, end_ms): views into passages; its name says which parts of which."""
        rate_hz = 24_000 if self.wire_form[0] == "audio/pcm" else 8_000
        size = rate_hz * GRID_MS // 1000
        from_sample, to_sample = sample_at(start_ms, rate_hz), sample_at(end_ms, rate_hz)
        pieces, parts = [], []
        for position, placement in enumerate(self.placements):
            begin = placement.start_frame * size
            stop = begin + placement.passage.n_frames * size
            if position + 1 < len(self.placements):
                stop = min(stop, self.placements[position + 1].start_frame * size)
            first, last = max(begin, from_sample), min(stop, to_sample)
            if first < last:
                wire = self.stage.wire(placement.passage, *self.wire_form)
                pieces.append(wire.heard[first - begin : last - begin])
                parts.append((wire.heard_key, first - begin, last - begin))
        return HeardSpan(rate_hz, tuple(pieces), tuple(parts))
