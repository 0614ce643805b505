"""What the report found: each sentence's figures stand in the table below it, and little data is said to be little."""

from __future__ import annotations

import numpy as np
import pytest
from choice_frames import responses_frame, turns_frame
from report_study import made_study

from realtime_lab.analysis.summary.settings import summary
from realtime_lab.analysis.summary.wording import amount
from realtime_lab.report.findings import findings

WAIT = "response_latency_ms_p50"


class Made:
    """A study of made-up frames in two conditions: noise adds 300 ms and cuts."""

    def __init__(self, scripts=30, cut=None, **more):
        cut = cut or (lambda silence_ms, rng: int(rng.random() < {300: 0.9, 500: 0.02, 900: 0.0}[silence_ms]))
        self.turns = turns_frame((300, 500, 900), scripts=scripts, n_turns=3, conditions=("clean", "babble"), cut=cut,
                                 **more)  # fmt: skip
        noisy = (self.turns["condition"] == "babble").to_numpy(dtype=bool)
        self.turns.loc[noisy, "response_latency_ms"] += 300

        self.turns["transcript"] = None

    def turns_df(self):
        return self.turns

    def responses_df(self):
        return responses_frame(self.turns)


@pytest.fixture(scope="module")
def found():
    return {entry.title: entry for entry in findings(Made(), "clean", WAIT, {})}


def test_the_operating_point_and_its_interval_stand_in_the_summary(found):
    entry = found["The best operating point"]
    turns = Made().turns
    row = summary(turns[turns["condition"] == "clean"]).set_index("silence_duration_ms").loc[500]
    assert f"is {amount(WAIT, row[WAIT])} (95 % interval" in entry.sentence
    assert entry.sentence.endswith("at silence_duration_ms 500.")
    at_limit = next(cells for cells in entry.rows if cells[0] == "5 %")
    assert at_limit[1] == "500" and at_limit[-1].endswith(" %")


def test_what_noise_does_is_paired_and_holds_the_truth(found):
    entry = found["What babble does to it"]
    assert entry.sentence.startswith("At silence_duration_ms 500, babble instead of clean changes: cutoff rate")
    wait = next(cells for cells in entry.rows if cells[0] == "median response latency")
    assert wait[3] in entry.sentence and wait[3].startswith("+") and 250 < float(wait[3][1:-3]) < 350
    assert int(wait[-1]) > 60


def test_the_front_and_the_settings_have_their_tables(found):
    front = found["Which settings nothing beats"]
    assert len(front.rows) == 3 and front.rows[0][-1].endswith("%")
    assert "settings are on the front of median response latency, cutoff rate" in front.sentence
    doses = found["Does each setting work?"]
    assert doses.sentence == doses.rows[0][-1] and doses.sentence.startswith("silence_duration_ms moves endpoint delay")
    assert all(len(cells) == len(doses.head) for cells in doses.rows)


def test_where_no_setting_keeps_the_limit_the_closest_is_told_with_its_intervals():
    entry = findings(Made(cut=lambda *_: 1), "clean", WAIT, {"silence_duration_ms": 900})[0]
    assert entry.sentence == "No setting cuts off at most 5 % of pauses in clean."
    some = findings(Made(cut=lambda _, rng: int(rng.random() < 0.4)), "clean", WAIT, {"silence_duration_ms": 900})[0]
    assert "; the fewest has cutoff rate" in some.sentence and " to " in some.sentence


@pytest.mark.parametrize(
    "made",
    [Made(scripts=1), Made(missed=lambda *_: True), Made(latency=lambda *_: np.nan)],
    ids=["few", "missed", "nan"],
)
def test_too_little_is_sentences_and_no_failure(made):
    told = findings(made, "clean", WAIT, {"silence_duration_ms": 500})
    assert all(entry.sentence and entry.title for entry in told)


def test_a_study_of_one_setting_has_a_point_and_nothing_to_compare(tmp_path):
    study = made_study(tmp_path, space={"silence_duration_ms": [500]}, scripts=1)
    told = findings(study, "clean", WAIT, {"silence_duration_ms": 500})
    assert told[0].title == "The best operating point"
