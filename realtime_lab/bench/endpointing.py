"""How many (setting, clip) cells of the endpointing rule numpy does in a second, from remembered probabilities."""

from __future__ import annotations

import time

import numpy as np

from realtime_lab.audio import clean, load_scripts
from realtime_lab.bench.values import Figure
from realtime_lab.server.hearing.endpointing import EndpointRule
from realtime_lab.server.hearing.grid import PaddedTracks, endpoint_grid
from realtime_lab.session import Stage


def measure(quick: bool) -> list[Figure]:
    """Every shipped turn under a grid of thresholds and silences; the best of a few rounds, CPU time."""
    stage = Stage()
    clips = []
    for script in load_scripts("orders")[: 1 if quick else None]:
        renderer = stage.renderer(script, clean())
        passages = [renderer.turn(index) for index in range(len(script.turns))]
        clips += [stage.cache.probabilities(passage.key, passage.pcm, 24_000) for passage in passages]
    rules = [EndpointRule(float(level), 200.0) for level in np.linspace(0.2, 0.8, 25)]
    silences = np.arange(3, 63, dtype=np.int32)
    cells, best_s = 0, float("inf")
    for _ in range(3 if quick else 10):
        began = time.process_time()
        grid = endpoint_grid(PaddedTracks.of_probabilities(clips, rules), silences)
        _ = grid.counts, grid.last_end
        best_s = min(best_s, time.process_time() - began)
        cells = grid.n_cells
    note = f"{len(clips)} turns x {len(rules)} thresholds x {len(silences)} silences, from probabilities to endpoints"
    unit = "cells/s and core"
    return [Figure(name="endpointing cells", value=cells / best_s, unit=unit, better="higher", target=3e6, note=note)]
