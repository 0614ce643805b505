"""How fast this package is on this machine, against stated targets: measured, printed, saved and compared.

One module per bench, named in `BENCHES`; each has a function `measure(quick)` that returns its figures. Rates per core
are taken from CPU time, so that a busy machine changes them little; everything else is wall time.
"""

from __future__ import annotations

from realtime_lab.bench.running import BENCHES, compare_results, load_results, run_benches, save_results
from realtime_lab.bench.values import Figure, Results

__all__ = ["BENCHES", "Figure", "Results", "compare_results", "load_results", "run_benches", "save_results"]
