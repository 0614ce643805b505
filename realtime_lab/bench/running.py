"""Running benches by name, their results as a JSON file, and two such files side by side."""

from __future__ import annotations

import gc
import platform
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path

import msgspec

from realtime_lab.bench.values import FORMAT_VERSION, Figure, Results
from realtime_lab.errors import RealtimeLabError
from realtime_lab.sweep.workers.pool import usable_cores

BENCHES: dict[str, str] = {
    "imports": "how long the package and a stored study's first plot take in a new process",
    "endpointing": "(setting, clip) cells a second with numpy",
    "sessions": "full simulated sessions a second and core, and how that grows with cores",
    "store": "commits, and a large study: opened, summed up, bytes and memory per trial",
    "summary": "a million turns summed up by three keys: time, and memory at the peak",
    "tokens": "token rows from a study to a frame, and their size on disk",
    "screen": "a screen of many settings, its front confirmed in full sessions",
    "live": "how exactly live sessions tell and keep time over loopback, and what an event costs",
}
"""Every bench by the name of its module, in the order in which they run."""

_MAX_BYTES = 4_000_000
_CHANGED = 0.1
"""Figures closer together than this share are not called different: two runs on one machine differ by as much."""


def run_benches(
    names: Sequence[str] = (), quick: bool = False, told: Callable[[Figure], None] | None = None
) -> Results:
    """Run benches one after another.

    Args:
        names: Which; empty: all of them.
        quick: Measure on less, in seconds instead of minutes.
        told: Called with each figure as soon as it is known.

    Raises:
        RealtimeLabError: If there is no bench of a name.
    """
    from realtime_lab import __version__

    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        raise RealtimeLabError(f"there is no bench {unknown[0]!r}: allowed are {', '.join(BENCHES)}")
    figures: list[Figure] = []
    for name in names or BENCHES:
        measure: Callable[[bool], list[Figure]] = import_module(f"{__package__}.{name}").measure
        gc.collect()
        gc.freeze()  # what earlier benches left is no work of this one
        for figure in measure(quick):
            figures.append(figure)
            if told is not None:
                told(figure)
    return Results(
        package=__version__,
        python=platform.python_version(),
        machine=f"{platform.machine()} {platform.system()}",
        cores=usable_cores(),
        quick=quick,
        figures=figures,
    )


def save_results(results: Results, path: Path) -> Path:
    """Write results as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")
    return path


def load_results(path: Path) -> Results:
    """Read what `save_results` wrote.

    Raises:
        RealtimeLabError: If the file is not that.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise RealtimeLabError(f"{path} is too large to hold bench results")
        results = msgspec.json.decode(path.read_bytes(), type=Results)
    except OSError as error:
        raise RealtimeLabError(f"{path} cannot be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise RealtimeLabError(f"{path} does not hold bench results: {error}") from None
    if results.format_version != FORMAT_VERSION:
        raise RealtimeLabError(f"{path} has format version {results.format_version}, this reads {FORMAT_VERSION}")
    return results


def compare_results(before: Results, after: Results) -> Iterator[str]:
    """Both runs side by side, a line per figure they share: before, after, their ratio, and what that means."""
    known = {figure.name: figure for figure in before.figures}
    told = [("machine", before.machine, after.machine), ("python", before.python, after.python)]
    told += [("cores", str(before.cores), str(after.cores)), ("quick", str(before.quick), str(after.quick))]
    for name, one, other in told:
        if one != other:
            yield f"not the same {name}: {one[:80]} and {other[:80]}"
    for figure in after.figures:
        old = known.get(figure.name)
        if old is None:
            continue
        ratio, said = _became(old, figure)
        yield f"{figure.name:34s} {old.value:14,.6g} {figure.value:14,.6g} {figure.unit:22s} {ratio:10s} {said}"


def _became(old: Figure, new: Figure) -> tuple[str, str]:
    """The ratio of two values, and whether the later is better; of what has no ratio, whether its target is met."""
    if old.value <= 0 or new.value < 0:
        better, worse = new.met is True and old.met is False, new.met is False and old.met is True
        return "", "better" if better else "WORSE" if worse else "alike"
    ratio = new.value / old.value
    gain = ratio if new.better == "higher" else 1 / ratio if ratio else float("inf")
    said = "better" if gain > 1 + _CHANGED else "WORSE" if gain < 1 / (1 + _CHANGED) else "alike"
    return f"x {ratio:<8.3g}", said
