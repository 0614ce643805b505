"""The recommendation in words: one test per outcome, and never more than 120 words."""

from __future__ import annotations

import pytest

from realtime_lab.analysis.deciding.limits import parse_where
from realtime_lab.analysis.summary.settings import summary
from realtime_lab.analysis.summary.source import plain_row
from realtime_lab.analysis.summary.wording import setting_words
from realtime_lab.audio import babble, clean
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.report.recommendation import MAX_WORDS, WAITS, old_setting, recommend
from realtime_lab.report.table import setting_table
from realtime_lab.sweep.plans.plan import SweepPlan
from realtime_lab.sweep.studies.chosen import best_setting, compare_settings, swept_settings
from tests.sweep.studies.test_chosen import MadeUpStudy

LIMIT = "cutoff_rate <= 0.05"


def rows_of(study):
    table = summary(study.turns_df(), study.responses_df())
    rows = [plain_row(row) for row in table.to_dict("records")]
    return {(setting_words({"silence_duration_ms": row["silence_duration_ms"]}), row["condition"]): row for row in rows}


def recommended(study, old_ms=300, where=LIMIT, evidence="12 scripts", mocked=True):
    best = best_setting(study, "response_latency_ms_p50", where)
    swept = swept_settings(study)
    old = next(one for one in swept if one.setting["silence_duration_ms"] == old_ms)
    new = next(one for one in swept if one.setting == best.closest)
    comparison = None if old == new else compare_settings(study, old.setting, new.setting, len(swept) - 1)
    by = rows_of(study)
    conditions = [condition.name for condition in study.plan.conditions]
    rows = {name: tuple(by.get((setting_words(one.cells), name), {}) for one in (old, new)) for name in conditions}
    limits = parse_where(where, list(by[next(iter(by))]))
    return recommend(best, old, new, comparison, rows, limits, WAITS[0], evidence, mocked)


def test_a_winner_says_what_is_gained_and_lost_and_how_sure():
    made = recommended(MadeUpStudy())
    assert made.headline == "Fewer callers cut off, for a longer wait"
    assert (made.new, made.old) == ("silence_duration_ms 500", "silence_duration_ms 300")
    assert [change.verdict for change in made.changes] == ["better", "worse"]
    assert made.sentences[0].endswith("kept their turn more often; in exchange, answers came later.")
    assert "How sure: the other setting within the limits does worse on these calls." in made.sentences
    assert made.sentences[-1] == "Not verified against a live service: the server was mocked."


def test_the_other_way_round():
    made = recommended(MadeUpStudy(), old_ms=700, where=None)
    assert made.headline == "A shorter wait, but more callers cut off"
    assert made.sentences[0].startswith("On these calls, answers came sooner; in exchange, callers who paused")


def test_a_limit_that_nobody_keeps_recommends_nothing():
    made = recommended(MadeUpStudy(), where="cutoff_rate <= 0.05 and response_latency_ms_p50 <= 100")
    assert made.headline == "No setting tried is good enough yet"
    assert (
        "How sure: none of 3 settings keeps cut-offs at most 5 % and a median response latency at most 100."
        in made.sentences
    )


def test_equal_settings_are_undecided():
    made = recommended(MadeUpStudy(axis=(500, 501, 502)), old_ms=500)
    assert any("cannot be told apart" in sentence for sentence in made.sentences)
    assert made.headline in ("No difference from the old setting is shown", "Keep the old setting")


def test_automatic_labels_are_provisional():
    made = recommended(MadeUpStudy("automatic"))
    assert "How sure: provisional. Pauses were found automatically, which crowns no winner." in made.sentences


def test_keeping_the_old_setting_has_no_changes():
    made = recommended(MadeUpStudy(), old_ms=500)
    assert (made.headline, made.changes) == ("Keep the old setting", ())
    assert "were cut off in 0 % of pauses" in made.sentences[0]


def test_a_live_study_is_not_called_mocked():
    assert not any("mocked" in sentence for sentence in recommended(MadeUpStudy(), mocked=False).sentences)


def test_other_conditions_stand_beside_it():
    made = recommended(MadeUpStudy(conditions=(clean(), babble(3))))
    assert any(sentence.startswith("In babble_3dB: ") for sentence in made.sentences)


@pytest.mark.parametrize("words", [5, 60, 100, 400])
def test_it_never_has_more_than_120_words(words):
    made = recommended(MadeUpStudy(conditions=(clean(), babble(3))), evidence="word " * words)
    assert made.words <= MAX_WORDS
    assert made.sentences[-1].startswith("Not verified")


def plan_over(space, base=None):
    return SweepPlan(base or SessionConfig(turn_detection=ServerVad()), space, "orders")


def test_the_old_setting_is_the_bases_own():
    base = SessionConfig(turn_detection=ServerVad(silence_duration_ms=700))
    assert old_setting(plan_over({"silence_duration_ms": [300, 700]}, base)) == {"silence_duration_ms": 700}


def test_without_one_it_is_what_the_service_documents():
    space = {"silence_duration_ms": [200, 500], "threshold": [0.3, 0.5], "max_output_tokens": [64, "inf"]}
    assert old_setting(plan_over(space)) == {"silence_duration_ms": 500, "threshold": 0.5, "max_output_tokens": "inf"}


def test_where_the_grid_has_neither_it_is_the_first():
    assert old_setting(plan_over({"silence_duration_ms": [250, 350]})) == {"silence_duration_ms": 250}


def test_the_table_points_out_new_and_old_first_and_folds_the_rest():
    study = MadeUpStudy(axis=tuple(range(300, 700, 20)))
    best = best_setting(study, "response_latency_ms_p50", LIMIT)
    swept = swept_settings(study)
    new = next(one for one in swept if one.setting == best.closest)
    old = next(one for one in swept if one.setting["silence_duration_ms"] == 300)
    table = setting_table(swept, rows_of(study), best, old, new)
    assert table.rows[0].marks[0] == "new" and "old" in table.rows[1].marks
    assert len(table.rows) + len(table.folded) == 20 and table.folded
    cells = dict(zip(table.heads, table.rows[1].main, strict=True))
    row = rows_of(study)["silence_duration_ms 300", "clean"]
    assert cells["cut off"].sample == f"{row['n_cut_holds']} of {row['n_holds']}"
    assert cells["wait, median"].value == f"{row['response_latency_ms_p50'] / 1000:.2f} s"
    assert "wait, p95" not in table.heads  # nobody has enough turns for one


def test_a_setting_without_turns_has_dashes():
    study = MadeUpStudy()
    best = best_setting(study, "response_latency_ms_p50", LIMIT)
    swept = swept_settings(study)
    rows = {key: row for key, row in rows_of(study).items() if "700" not in key[0]}
    table = setting_table(swept, rows, best, swept[0], swept[1])
    gone = next(row for row in table.rows if row.values == ("700",))
    assert {cell.value for cell in gone.main} == {"–"}
