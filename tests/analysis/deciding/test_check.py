"""What a study is required to keep: how it is written, what passes, what fails, what is not decided."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from choice_frames import responses_frame, turns_frame
from hypothesis import given
from hypothesis import strategies as st
from report_study import made_study
from typer.testing import CliRunner

from realtime_lab import cli
from realtime_lab.analysis.deciding.check import check_frames
from realtime_lab.analysis.deciding.limits import Requirement, parse_requirement, parse_requirements
from realtime_lab.analysis.summary.columns import SUMMARY
from realtime_lab.analysis.summary.settings import summary
from realtime_lab.errors import ConfigError, RealtimeLabError, RequirementError

NAMES = [entry.name for entry in SUMMARY]


def frames(axis=(500,), **more):
    turns = turns_frame(axis, scripts=more.pop("scripts", 30), n_turns=4, **more)
    return turns, responses_frame(turns)


@pytest.mark.parametrize(
    ("text", "name", "op", "bound", "against"),
    [
        ("cutoff_rate<=0.05", "cutoff_rate", "<=", 0.05, "number"),
        ("  cutoff_rate  <  5 % ", "cutoff_rate", "<", 0.05, "number"),
        ("response_latency_ms_p95<=1200", "response_latency_ms_p95", "<=", 1200.0, "number"),
        ("response_latency_ms_p99 <= 1.5e3", "response_latency_ms_p99", "<=", 1500.0, "number"),
        ("answered_rate >= 95%", "answered_rate", ">=", 0.95, "number"),
        ("cutoff_rate <= baseline", "cutoff_rate", "<=", 0.0, "difference"),
        ("cutoff_rate <= baseline + 2 %", "cutoff_rate", "<=", 0.02, "difference"),
        ("response_latency_ms_p50 < baseline - 100", "response_latency_ms_p50", "<", -100.0, "difference"),
        ("response_latency_ms_p50 <= baseline * 1.1", "response_latency_ms_p50", "<=", 1.1, "ratio"),
    ],
)
def test_what_is_understood(text, name, op, bound, against):
    assert parse_requirement(text, NAMES) == Requirement(text.strip(), name, op, pytest.approx(bound), against)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "name <= number"),
        ("cutoff_rate", "name <= number"),
        ("cutoff_rate == 0.05", "name <= number"),
        ("cutof_rate <= 0.05", "did you mean cutoff_rate"),
        ("cutoff_rate <= 5", "rate between 0 and 1"),
        ("cutoff_rate <= nan", "`nan` is not understood"),
        ("cutoff_rate <= 0.05 and answered_rate >= 0.9", "is not understood"),
        ("cutoff_rate <= baseline * 2", "for latencies"),
        ("response_latency_ms_p95 <= baseline * 0", "a number over 0"),
        ("response_latency_ms_p0 <= 1", "a column of the summary"),
        ("__import__('os') <= 1", "name <= number"),
        ("cutoff_rate <= " + "9" * 400, "at most 300 characters"),
    ],
)
def test_what_is_refused_in_one_clear_error(text, hint):
    with pytest.raises(RequirementError) as caught:
        parse_requirement(text, NAMES)
    assert len(caught.value.errors) == 1 and hint in str(caught.value)


def test_all_mistakes_are_told_at_once_and_none_at_all_is_one():
    with pytest.raises(RequirementError) as caught:
        parse_requirements(["cutoff_rate<=0.05", "nothing<=1", "cutoff_rate<=9"], NAMES)
    assert len(caught.value.errors) == 2
    with pytest.raises(RequirementError, match=r"such as cutoff_rate<=0\.05"):
        parse_requirements([], NAMES)


@given(st.text(max_size=60))
def test_any_text_is_a_requirement_or_a_requirement_error(text):
    try:
        found = parse_requirement(text, NAMES)
    except RequirementError:
        return
    assert found.name and math.isfinite(found.bound)


@given(
    st.sampled_from(["<=", "<", ">=", ">"]),
    st.floats(0, 1e6, allow_nan=False),
    st.sampled_from(["response_latency_ms_p95", "n_missed"]),
)
def test_a_written_number_is_read_as_it_is(op, bound, name):
    assert parse_requirement(f"{name}{op}{bound!r}", NAMES) == Requirement(f"{name}{op}{bound!r}", name, op, bound)


@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize(("step", "within"), [(1e-9, "pass"), (-1e-9, "inconclusive")])
def test_a_row_is_decided_by_the_whole_interval_of_the_summary(end, step, within):
    """Bounds just beside the ends of the interval that the summary prints."""
    made = frames()
    row = summary(*made).iloc[0]
    for name in ("cutoff_rate", "response_latency_ms_p95", "answered_rate"):
        edge = float(row[f"{name}_{end}"])
        if not 0 < edge < 1 and name.endswith("_rate"):
            continue
        if end == "high":
            assert check_frames(made, f"{name} <= {edge + step:.15g}").verdict == within
        else:
            expected = {"pass": "inconclusive", "inconclusive": "fail"}[within]
            assert check_frames(made, f"{name} <= {edge + step:.15g}").verdict == expected


def test_pass_fail_and_inconclusive_have_the_exit_codes_0_1_2():
    made = frames()
    assert check_frames(made, "response_latency_ms_p95 <= 3000").exit_code == 0
    assert check_frames(made, "response_latency_ms_p95 <= 300").exit_code == 1
    value = summary(*made).iloc[0]["response_latency_ms_p95"]
    assert check_frames(made, f"response_latency_ms_p95 <= {value}").exit_code == 2
    mixed = check_frames(made, ["response_latency_ms_p95 <= 3000", "response_latency_ms_p95 <= 300"])
    assert [entry.verdict for entry in mixed.judged] == ["pass", "fail"] and mixed.verdict == "fail"


def test_an_oracle_is_not_judged_nor_named():
    turns, responses = frames()
    bound = turns[turns["script"] == turns["script"].iloc[0]].assign(trial="oracle", cut=True, n_cut_holds=2)
    delay = pd.array([None] * len(turns) + [0.0] * len(bound), dtype="Float64")
    both = pd.concat([turns, bound], ignore_index=True).assign(commit_delay_ms=delay)
    found = check_frames((both, responses), "cutoff_rate <= 1")
    assert len(found.judged) == len(check_frames((turns, responses), "cutoff_rate <= 1").judged)
    assert "commit_delay_ms" not in "".join(entry.sentence for entry in found.judged)


def test_too_few_turns_decide_nothing_and_say_so():
    found = check_frames(frames(scripts=3), "response_latency_ms_p95 <= 1200")
    assert (found.verdict, found.judged[0].note) == ("inconclusive", "n too small")


def test_a_quantile_past_the_deadline_fails():
    made = frames(missed=lambda silence_ms, rng: rng.random() < 0.5)
    found = check_frames(made, "response_latency_ms_p95 <= 1200")
    assert found.verdict == "fail" and found.judged[0].value == math.inf
    assert json.loads(found.to_json())["judged"][0]["value"] == "inf"


def test_any_quantile_may_be_asked_for_and_a_count_is_judged_as_it_stands():
    made = frames(scripts=200)
    found = check_frames(made, ["response_latency_ms_p99 <= 3000", "n_missed <= 0", "n_turns >= 801"])
    assert [entry.verdict for entry in found.judged] == ["pass", "pass", "fail"]
    assert "no interval" in found.judged[1].note


def test_every_row_is_judged_and_where_picks_some():
    made = frames((200, 700), conditions=("clean", "babble_3dB"))
    assert len(check_frames(made, "cutoff_rate <= 0.05").judged) == 4
    found = check_frames(made, "cutoff_rate<=50%", where='silence_duration_ms == 700 and condition == "clean"')
    assert [dict(entry.where) for entry in found.judged] == [
        {"silence_duration_ms": 700, "condition": "clean", "target": "mocked:documented"}
    ]
    with pytest.raises(ConfigError, match="limits that some row keeps, such as those of silence_duration_ms 200"):
        check_frames(made, "cutoff_rate<=50%", where="silence_duration_ms == 300")


def test_among_many_rows_one_that_is_outside_by_chance_does_not_fail_a_study():
    """20 equal settings whose true median is the bound: at 95 % each, one or another lies outside most of the time."""
    failed = 0
    for seed in range(20):
        turns = turns_frame(tuple(range(400, 420)), scripts=10, n_turns=3, seed=seed, cut=lambda *_: 0,
                            latency=lambda silence_ms, rng: 1000 + rng.normal(0, 90))  # fmt: skip
        found = check_frames((turns, None), "response_latency_ms_p50 <= 1000")
        failed += found.verdict == "fail"
    assert failed <= 2
    assert any("by chance" in entry.note for entry in found.judged) or failed == 0


def test_against_itself_nothing_is_worse():
    made = frames((300, 700))
    found = check_frames(made, ["cutoff_rate <= 50 %", "response_latency_ms_p50 <= 3000"], baseline=made)
    assert found.verdict == "pass"
    relative = [entry for entry in found.judged if entry.requirement.against == "difference"]
    assert len(relative) == 4 and {entry.value for entry in relative} == {0.0}


def test_a_regression_against_the_baseline_fails_and_a_margin_allows_it():
    old = frames(cut=lambda silence_ms, rng: 0)
    slower = old[0].copy()
    slower["response_latency_ms"] += 80
    new = slower, old[1]
    assert check_frames(new, "response_latency_ms_p50 <= 3000", baseline=old).verdict == "fail"
    assert check_frames(new, "response_latency_ms_p50 <= baseline + 100", baseline=old).verdict == "pass"
    assert check_frames(new, "response_latency_ms_p50 <= baseline * 1.01", baseline=old).verdict == "fail"
    assert check_frames(old, "response_latency_ms_p50 <= baseline", baseline=new).verdict == "pass"


def test_noise_between_study_and_baseline_is_not_a_regression():
    old, new = frames(seed=1), frames(seed=2)
    assert check_frames(new, "response_latency_ms_p50 <= baseline", baseline=old).verdict != "fail"
    assert check_frames(new, "response_latency_ms_p50 <= baseline + 60", baseline=old).verdict == "pass"


def test_a_baseline_that_lacks_the_setting_or_was_not_given_is_named():
    with pytest.raises(RealtimeLabError, match="the baseline has no turns at silence_duration_ms 700"):
        check_frames(frames((700,)), "cutoff_rate<=50%", baseline=frames((300,)))
    with pytest.raises(RequirementError, match="give a baseline study"):
        check_frames(frames(), "cutoff_rate <= baseline")


def test_rates_are_held_against_a_baseline_like_latencies():
    old = frames(scripts=60, cut=lambda silence_ms, rng: int(rng.random() < 0.1))
    new = frames(scripts=60, cut=lambda silence_ms, rng: int(rng.random() < 0.4))
    cut_more = check_frames(new, "cutoff_rate <= 90 %", baseline=old)
    assert [(entry.requirement.against, entry.verdict) for entry in cut_more.judged] == [
        ("number", "pass"),
        ("difference", "fail"),
    ]
    assert check_frames(new, "cutoff_rate <= baseline + 30 %", baseline=old).verdict == "pass"
    assert check_frames(old, "cutoff_rate <= baseline", baseline=new).verdict == "pass"
    broken_off = old[0], responses_frame(old[0], truncated=0.6)
    assert check_frames(broken_off, "truncated_rate <= baseline", baseline=old).verdict == "fail"
    assert check_frames(broken_off, "truncated_rate <= baseline + 60 %", baseline=old).verdict == "pass"


def scored(errors, words=4):
    """Turns with transcripts: `errors` word and character edits in each turn, one by one."""
    turns = frames(scripts=40)[0]
    edits = pd.array(np.resize(errors, len(turns)), dtype="Int64")
    counts = {"n_ref_words": words, "n_ref_characters": words, "n_substitutions": edits, "n_character_errors": edits}
    zero = dict.fromkeys(("n_hits", "n_deletions", "n_insertions"), 0)
    turns = turns.assign(**counts, **zero, wer=edits / words, cer=edits / words)
    return turns.astype(dict.fromkeys((*counts, *zero), "Int64")), None


@pytest.mark.parametrize("name", ["wer", "cer"])
def test_error_rates_are_held_against_a_baseline_even_over_one(name):
    """More edits than words are no share of anything, and compared all the same."""
    good, bad, worst = scored([0, 1, 0, 0]), scored([0, 2, 2, 1]), scored([9, 6, 7])
    assert check_frames(bad, f"{name} <= baseline", baseline=good).verdict == "fail"
    assert check_frames(good, f"{name} <= baseline", baseline=bad).verdict == "pass"
    assert check_frames(worst, f"{name} <= baseline", baseline=bad).verdict == "fail"
    judged = check_frames(bad, f"{name} <= baseline + 50 %", baseline=good).judged[0]
    assert (judged.verdict, judged.value) == ("pass", pytest.approx(0.25))


def test_words_where_nobody_speaks_and_rare_quantiles_have_a_baseline_too():
    turns = frames(scripts=200)[0].assign(n_silent_transcripts=2, n_hallucinations=0)
    worse = turns.assign(n_hallucinations=1)
    found = check_frames((worse, None), "hallucination_rate <= baseline", baseline=(turns, None))
    assert (found.verdict, found.judged[0].value) == ("fail", 0.5)
    slower = turns.assign(response_latency_ms=turns["response_latency_ms"] * 1.5)
    assert check_frames((slower, None), "response_latency_ms_p99 <= baseline", baseline=(turns, None)).exit_code == 1
    assert check_frames((turns, None), "response_latency_ms_p99 <= baseline", baseline=(slower, None)).exit_code == 0


def test_a_count_is_judged_as_it_stands_and_never_against_a_baseline():
    made = frames()
    assert check_frames(made, "n_missed <= 0", baseline=made).verdict == "pass"
    with pytest.raises(RequirementError, match="n_missed is judged as it stands only"):
        check_frames(made, "n_missed <= baseline", baseline=made)
    with pytest.raises(RequirementError, match="a column of the summary"):
        check_frames(scored([0]), "wer_note <= 1")


def test_a_baseline_that_swept_more_is_refused_instead_of_taking_one_of_its_settings():
    turns, _ = frames((300, 700))
    wider = pd.concat([turns.assign(threshold=value) for value in (0.3, 0.7)], ignore_index=True)
    with pytest.raises(RealtimeLabError, match="the baseline swept threshold, this study did not"):
        check_frames((turns, None), "cutoff_rate <= 90 %", baseline=(wider, None))
    one = wider[wider["threshold"] == 0.3]
    assert check_frames((turns, None), "cutoff_rate <= 90 %", baseline=(one, None)).verdict == "pass"


def test_a_study_without_turns_cannot_be_checked():
    turns, responses = frames()
    with pytest.raises(RealtimeLabError, match="no session is complete"):
        check_frames((turns.iloc[:0], responses), "cutoff_rate<=0.05")


def test_turns_without_any_value_decide_nothing():
    turns, responses = frames()
    turns["response_latency_ms"] = pd.array([np.nan] * len(turns), dtype="Float64")
    turns["awaits_audio"] = False
    assert check_frames((turns, responses), "response_latency_ms_p50<=900").judged[0].note == "none was observed"


def test_hostile_texts_are_escaped_in_a_notebook():
    turns, responses = frames(conditions=("<script>x</script>",))
    assert "<script>" not in check_frames((turns, responses), "cutoff_rate<=50%")._repr_html_()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return made_study(tmp_path_factory.mktemp("check"), scripts=2)


@pytest.mark.parametrize(
    ("bound", "code"), [("endpoint_delay_ms_p50<=1200", 0), ("endpoint_delay_ms_p50<=100", 1), ("cutoff_rate<=0.05", 2)]
)
def test_the_command_prints_json_and_ends_with_the_verdict(study, bound, code):
    words = ["check", str(study.path), "--require", bound, "--where", "silence_duration_ms == 1000"]
    ended = CliRunner().invoke(cli.app, words)
    assert ended.exit_code == code, ended.output
    told = json.loads(ended.stdout)
    assert (told["exit_code"], len(told["judged"])) == (code, 1)
    assert told["judged"][0]["where"]["silence_duration_ms"] == 1000
    assert ended.stderr.splitlines()[-1] == study.check(bound, where="silence_duration_ms == 1000").sentence


def test_the_command_with_a_baseline_and_with_mistakes(study):
    run = CliRunner().invoke
    path, bound = str(study.path), "endpoint_delay_ms_p50<=1200"
    same = run(cli.app, ["check", path, "--require", bound, "--baseline", path, "--where", "silence_duration_ms==1000"])
    assert same.exit_code == 0, same.output
    rates = ["cutoff_rate<=baseline", "truncated_rate<=baseline", "answered_rate>=baseline", "wer<=baseline"]
    words = [word for rate in rates for word in ("--require", rate)]
    ended = run(cli.app, ["check", path, "--baseline", path, *words])
    assert ended.exit_code == 0, ended.output
    told = json.loads(ended.stdout)["judged"]
    assert {(entry["metric"], entry["value"], entry["verdict"]) for entry in told} == {
        (name, 0.0, "pass") for name in ("cutoff_rate", "truncated_rate", "answered_rate", "wer")
    }
    for words in ([], ["--require", "nothing<=1"], ["--require", "cutoff_rate<=0.05", "--where", "x == 1"]):
        ended = run(cli.app, ["check", path, *words])
        assert ended.exit_code == 3 and ended.stdout == "" and ended.stderr.startswith("realtime-lab: mistake")
    assert run(cli.app, ["check", "nowhere.sqlite", "--require", "cutoff_rate<=0.05"]).exit_code == 3
