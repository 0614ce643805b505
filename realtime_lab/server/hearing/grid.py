"""The endpointing rule over many settings and many clips at once: speech tracks in, stretches of heard speech out.

A third form of the rule in `endpointing`, for numpy: it goes from one run of speech to the next, for all clips and all
silences together, so its cost per (setting, clip) cell is some tens of nanoseconds. A test proves it equal to
`Endpointer.scan`. Offsets, items and what they mean for turns are decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from realtime_lab.server.hearing.endpointing import EndpointRule, Track, heard_late

Frames = NDArray[np.int32]
_NEVER = np.int32(2**30)
_FAR = 2**31
_BLOCK_CELLS = 16_384
"""Cells worked on at a time: their few arrays stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class GridSpans:
    """Stretches of heard speech, one entry each, ordered by cell and within a cell by time.

    A cell's number is its track's number times the number of silences, plus its silence's number.
    """

    cell: NDArray[np.int64]
    """Which cell; shape (n_spans,)."""
    first: Frames
    """First speech frame; shape (n_spans,)."""
    end: Frames
    """The frame after the last speech frame; the endpoint fires silent_frames - 1 frames later. Shape (n_spans,)."""
    n_cells: int

    def by_cell(self) -> Iterator[list[tuple[int, int]]]:
        """(first, end) of every span of one cell after another."""
        edges = np.searchsorted(self.cell, np.arange(self.n_cells + 1)).tolist()
        spans = list(zip(self.first.tolist(), self.end.tolist(), strict=True))
        return (spans[start:stop] for start, stop in pairwise(edges))

    @property
    def counts(self) -> NDArray[np.int64]:
        """Spans of each cell; shape (n_cells,)."""
        return np.bincount(self.cell, minlength=self.n_cells)

    @property
    def last_end(self) -> Frames:
        """`end` of each cell's last span, -1 without any; shape (n_cells,)."""
        found = np.full(self.n_cells, -1, dtype=np.int32)
        found[self.cell] = self.end  # in order: a cell's last span is written last
        return found


@dataclass(frozen=True, eq=False)
class PaddedTracks:
    """Tracks as arrays: the runs of speech of each, made once and used for any number of silences."""

    starts: Frames
    """First frame of each run; shape (n_runs, n_tracks), padded with a frame that never comes."""
    ends: Frames
    """The frame after each run."""
    onsets: Frames
    """First frame of each run from which speech starts; -1 where it cannot start in this run."""

    @classmethod
    def of(cls, tracks: Sequence[Track]) -> PaddedTracks:
        """Lay out tracks, whose thresholds must keep speech going wherever it may start."""
        numbers = np.repeat(np.arange(len(tracks)), [len(track.run_starts) for track in tracks])
        starts, ends = (_flat(getattr(track, name) for track in tracks) for name in ("run_starts", "run_ends"))
        beginnings = _flat(track.onsets for track in tracks)
        of_track = np.repeat(np.arange(len(tracks)), [len(track.onsets) for track in tracks])
        onsets = _first_inside(numbers * _FAR + starts, numbers * _FAR + ends, of_track * _FAR + beginnings)
        return _laid_out(len(tracks), numbers, starts, ends, np.where(onsets < 0, -1, onsets - numbers * _FAR))

    @classmethod
    def of_probabilities(cls, clips: Sequence[NDArray[np.float32]], rules: Sequence[EndpointRule]) -> PaddedTracks:
        """Lay out every clip under every rule; the track of clip c under rule r has number r * len(clips) + c.

        Args:
            clips: Speech probabilities of each clip, from a fresh start of the detector; shape (n_frames,).
            rules: Their thresholds count; they hear equally late, and keep speech going wherever it may start.
        """
        silence = np.full(1, -1.0)
        heard = [heard_late(clip.astype(np.float64), rules[0]) for clip in clips]
        whole = np.concatenate([part for clip in heard for part in (silence, clip)] + [silence])
        origins = np.cumsum([1] + [len(clip) + 1 for clip in heard[:-1]]) if heard else np.zeros(0, dtype=np.int64)
        width = len(whole)
        keep = whole >= np.array([[rule.keep_threshold] for rule in rules])
        edges = np.flatnonzero((keep[:, 1:] != keep[:, :-1]).ravel())
        # Rows of edges are one shorter than rows of frames.
        row, column = np.divmod(edges, width - 1)
        place = row * width + column + 1
        beginnings = np.flatnonzero((whole >= np.array([[rule.threshold] for rule in rules])).ravel())
        start, end = place[::2], place[1::2]
        onset = _first_inside(start, end, beginnings)
        row, column = np.divmod(start, width)
        clip_number = np.searchsorted(origins, column, side="right") - 1
        shift = row * width + origins[clip_number]
        numbers = row * len(clips) + clip_number
        onset = np.where(onset < 0, -1, onset - shift)
        return _laid_out(len(rules) * len(clips), numbers, start - shift, end - shift, onset)


def _flat(parts: Iterable[Sequence[int]]) -> NDArray[np.int64]:
    return np.fromiter(chain.from_iterable(parts), dtype=np.int64)


def _first_inside(starts: NDArray[np.int64], ends: NDArray[np.int64], points: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first of the ascending `points` in each [start, end); -1 where there is none."""
    if not len(points):
        return np.full(len(starts), -1)
    at = np.searchsorted(points, starts)
    found = points[np.minimum(at, len(points) - 1)]
    return np.where((at < len(points)) & (found < ends), found, -1)


def _laid_out(
    n_tracks: int,
    numbers: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    onsets: NDArray[np.int64],
) -> PaddedTracks:
    """Runs, ordered by track and time, as padded arrays."""
    counts = np.bincount(numbers, minlength=n_tracks)
    position = np.arange(len(numbers)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (int(counts.max(initial=0)) + 1, n_tracks)  # one run more than there is, which closes what is open
    padded = []
    for values, pad in ((starts, _NEVER), (ends, _NEVER), (onsets, np.int32(-1))):
        table = np.full(shape, pad)
        table[position, numbers] = values
        padded.append(table)
    return PaddedTracks(*padded)


def endpoint_grid(tracks: PaddedTracks, silent_frames: Frames) -> GridSpans:
    """Apply the rule to every track with every silence.

    Args:
        tracks: Where speech may start and goes on.
        silent_frames: Frames of silence that end speech, at least 1 each; shape (n_silences,).

    Returns:
        Every stretch of speech, also one whose silence would end after the track does.
    """
    n_tracks, n_silences = tracks.starts.shape[1], len(silent_frames)
    step = max(1, _BLOCK_CELLS // max(n_silences, 1))
    none: Frames = np.zeros(0, dtype=np.int32)
    parts = [(none.astype(np.int64), none, none)]
    parts += [_block(tracks, slice(at, min(at + step, n_tracks)), silent_frames) for at in range(0, n_tracks, step)]
    cells, firsts, ends = (list(column) for column in zip(*parts, strict=True))
    return GridSpans(np.concatenate(cells), np.concatenate(firsts), np.concatenate(ends), n_tracks * n_silences)


def _block(
    tracks: PaddedTracks, where: slice, silent_frames: Frames
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    starts, ends, onsets = tracks.starts[:, where], tracks.ends[:, where], tracks.onsets[:, where]
    shape = (starts.shape[1], len(silent_frames))
    speaking = np.zeros(shape, dtype=bool)
    first, end = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.int32)
    # The run before speech begins is taken for one that never ends, so that no silence is counted from it.
    fires_at = np.full(shape, np.int32(2**31 - 1))
    found: list[tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]] = []
    for start, stop, onset in zip(starts, ends, onsets, strict=True):
        fired = fires_at <= start[:, None]
        places = np.flatnonzero(fired)
        if len(places):
            found.append((places, first.ravel()[places], end.ravel()[places]))
            speaking &= ~fired
        begins = ~speaking
        begins &= (onset >= 0)[:, None]
        np.copyto(first, onset[:, None], where=begins)
        speaking |= begins
        np.copyto(end, stop[:, None], where=speaking)
        np.add(end, silent_frames, out=fires_at)
        fires_at[~speaking] = 2**31 - 1
    cell = np.concatenate([places for places, _, _ in found]) if found else np.zeros(0, dtype=np.int64)
    order = np.argsort(cell, kind="stable")
    none: Frames = np.zeros(0, dtype=np.int32)
    first_frames = np.concatenate([none, *(firsts for _, firsts, _ in found)])
    end_frames = np.concatenate([none, *(stops for _, _, stops in found)])
    return cell[order] + where.start * shape[1], first_frames[order], end_frames[order]
