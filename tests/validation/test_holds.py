"""Sessions against outside truth: 705 pauses in published proportions, cut as often as their lengths say.

This checks arithmetic and edges: necessary, and no proof about any service.
"""

from statistics import median

from realtime_lab.analysis.rows.session import session_rows
from realtime_lab.analysis.rows.taking import holds_cut_by_silence
from realtime_lab.analysis.stats.intervals import exact_interval
from realtime_lab.audio import clean, load_scripts
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.server.hearing.endpointing import FRAME_MS, Endpointer, EndpointRule
from realtime_lab.session import run_session

SILENCE_MS = [200, 300, 400, 500, 600, 700, 800, 900, 1000, 1500, 2000, 2500, 3000, 3500]
THRESHOLD = 0.5
QUICK_SCRIPTS = 3


def detector_bias_ms(stage) -> float:
    """How much longer a pause looks to the VAD than it is: median over the pauses of the `edges` clips."""
    rule = EndpointRule(THRESHOLD, FRAME_MS)
    differences = []
    for script in load_scripts("edges"):
        renderer = stage.renderer(script, clean())
        for index in range(len(script.turns)):
            passage = renderer.turn(index)
            track = stage.wire(passage, "audio/pcm").track(rule)
            changes = transitions(track, rule, passage.n_frames)
            for before, after in zip(passage.speech_ms, passage.speech_ms[1:], strict=False):
                middle_ms = (before.end_ms + after.start_ms) / 2
                stop_ms = max((ms for kind, ms in changes if kind == "stopped" and ms < middle_ms), default=None)
                start_ms = min((ms for kind, ms in changes if kind == "started" and ms > middle_ms), default=None)
                if stop_ms is not None and start_ms is not None:
                    differences.append((start_ms - after.start_ms) - (stop_ms - before.end_ms))
    return median(differences)


def transitions(track, rule, n_frames):
    """(kind, edge in ms) of every change of speech in a passage."""
    endpointer, found = Endpointer(rule), []
    while endpointer.frame < n_frames:
        transition = endpointer.scan(track, endpointer.frame, n_frames)
        if transition is not None:
            after = transition.kind == "stopped"
            found.append((transition.kind, (transition.edge_frame + after) * FRAME_MS))
    return found


def test_mocked_sessions_cut_the_published_share_of_holds(stage, full, capsys):
    """At each of the 14 published waits, the cut holds agree with the placed lengths within the exact 99 % interval."""
    bias_ms = detector_bias_ms(stage)
    assert abs(bias_ms) <= 100
    scripts = load_scripts("holds")[: None if full else QUICK_SCRIPTS]
    holds_ms = [hold for script in scripts for turn in script.turns for hold in turn.hold_ms]
    table = [f"b = {bias_ms:.0f} ms, {len(holds_ms)} holds", "silence_ms  cut  expected  exact 99 % interval"]
    misses = []
    for silence_ms in SILENCE_MS:
        config = SessionConfig(turn_detection=ServerVad(threshold=THRESHOLD, silence_duration_ms=silence_ms))
        rows = [row for script in scripts for row in session_rows(run_session(config, script, stage=stage)).turns]
        cut, placed = sum(row["n_cut_holds"] for row in rows), sum(row["n_holds"] for row in rows)
        expected = holds_cut_by_silence(holds_ms, silence_ms, bias_ms)
        low, high = exact_interval(cut, placed, 0.99)
        table.append(
            f"{silence_ms:10d} {cut:4d} {expected.numerator:9d}  {low * placed:.0f} to {high * placed:.0f} of {placed}"
        )
        if placed != len(holds_ms) or not low <= expected.rate <= high:
            misses.append(silence_ms)
    with capsys.disabled():
        print("\n" + "\n".join(table))
    assert misses == []
