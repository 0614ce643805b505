"""What a report says of transcripts, on small sweeps over shipped speech: each figure is in a table of the study."""

from __future__ import annotations

import re

import pytest
from report_study import made_study

from realtime_lab import clean, pink
from realtime_lab.analysis.effects.effects import end_effects
from realtime_lab.analysis.summary.grid import grid_of
from realtime_lab.analysis.summary.wording import amount, interval
from realtime_lab.report.findings import findings
from realtime_lab.report.page import Question, report_html
from realtime_lab.server.recogniser.weights import whisper_installed

needs_whisper = pytest.mark.skipif(not whisper_installed(), reason="the extra whisper is not installed")
WAIT = "response_latency_ms_p50"
SPACE = {"silence_duration_ms": [300, 1000]}
CONDITIONS = (clean(), pink(0))
LOGPROBS = {"include": ["item.input_audio_transcription.logprobs"]}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The recogniser's transcripts, with log-probabilities, in clean and in pink noise as loud as speech."""
    folder = tmp_path_factory.mktemp("heard")
    return made_study(folder, space=SPACE, scripts=2, conditions=CONDITIONS, changes=LOGPROBS)


@pytest.fixture(scope="module")
def found(study):
    return {entry.title: entry for entry in findings(study, "clean", WAIT, {})}


def figures(text):
    return re.findall(r"[+−]?\d[\d.]*", text)


@needs_whisper
def test_the_best_operating_point_is_the_fastest_that_keeps_the_limit(study, found):
    entry = found["The best operating point"]
    table = study.summary()
    keeping = table[(table["condition"] == "clean") & (table["cutoff_rate"] <= 0.05) & table[WAIT].notna()]
    if keeping.empty:
        assert entry.sentence.startswith("No setting cuts off at most 5 % of pauses in clean; the fewest has")
    else:
        best = keeping.sort_values(WAIT).iloc[0]
        assert f"is {amount(WAIT, best[WAIT])} (95 % interval" in entry.sentence
        assert f"at silence_duration_ms {best['silence_duration_ms']}" in entry.sentence


@needs_whisper
def test_what_noise_does_holds_word_errors_and_log_probabilities_with_intervals(found):
    entry = found["What pink_0dB does to it"]
    rows = {cells[0]: cells for cells in entry.rows}
    for name in ("cutoff rate", "word error rate", "mean log-probability"):
        _, _, _, difference, around, _ = rows[name]
        assert f"{name} {difference} ({around})" in entry.sentence
    assert rows["word error rate"][3].startswith("+") and rows["mean log-probability"][3].startswith("−")


@needs_whisper
def test_what_each_setting_does_is_the_mean_of_the_summary_by_condition(study, found):
    entry = found["What each setting does to transcripts"]
    columns = {name: place for place, name in enumerate(entry.head)}
    table = study.summary()
    for condition in ("clean", "pink_0dB"):
        for metric, label in (("wer", "word error rate"), ("mean_logprob", "mean log-probability")):
            here = table[(table["condition"] == condition) & (table["silence_duration_ms"] == 300)]
            cells = next(cells for cells in entry.rows if cells[0] == "silence_duration_ms 300")
            shown = cells[columns[f"{condition}, {label}"]]
            assert shown.startswith(f"{amount(metric, float(here[metric].mean()))} (")
    assert len(entry.figures) == 1 and len(entry.folded) >= 1
    assert "may be chance" in entry.sentence


@needs_whisper
def test_a_change_in_its_sentence_is_the_last_row_of_its_table(study, found):
    entry = found["What each setting does to transcripts"]
    row = end_effects(grid_of(study, "pink_0dB"), "wer", comparisons=4).to_dict("records")[0]
    around = interval("wer", row["shift_low"], row["shift_high"], signed=True)
    cells = next(cells for cells in entry.rows if cells[0] == "silence_duration_ms 1000 instead of 300")
    assert (
        cells[entry.head.index("pink_0dB, word error rate")] == f"{amount('wer', row['shift'], signed=True)} ({around})"
    )
    if row["shift_low"] > 0 or row["shift_high"] < 0:
        assert f"by {amount('wer', row['shift'], signed=True)} ({around})" in entry.sentence
    else:
        assert entry.sentence.startswith("All 4 differences may be chance; the clearest: in ")


@needs_whisper
def test_whether_log_probabilities_predict_wrong_words_is_the_calibration_table(study, found):
    entry = found["Do log-probabilities predict wrong words?"]
    table = study.calibration_df("condition").set_index("condition")
    assert [cells[0] for cells in entry.rows] == ["clean", "pink_0dB"]
    row = table.loc["pink_0dB"]
    assert f"{100 * row['auroc']:.0f} times in 100 in pink_0dB" in entry.sentence
    assert f"({100 * row['auroc_low']:.0f} to {100 * row['auroc_high']:.0f})" in entry.sentence
    cells = entry.rows[1]
    assert cells[3] == f"{row['auroc']:.2f} ({row['auroc_low']:.2f}–{row['auroc_high']:.2f})"
    assert cells[2] == f"{row['n_wrong']:,}" and row["n_wrong"] > 10


@needs_whisper
def test_the_page_shows_them_by_condition_and_the_words_of_the_worst_turns(study):
    text = report_html(study, Question(), private=False)
    settings = text[text.index('<section id="settings">') : text.index('<section id="findings">')]
    assert settings.count("<th>wrong words</th>") == settings.count("<th>mean log-probability</th>") == 2
    parts = text[text.index('<section id="findings">') : text.index('<section id="plots">')]
    assert 'aria-label="Word error rate and mean log-probability by setting and condition"' in parts
    assert 'aria-label="Share of right words against their confidence, by condition"' in parts
    worst = text[text.index('<section id="worst">') : text.index('<section id="method">')]
    assert worst.count('class="rl-transcript"') >= 3 and "mean log-probability" in worst
    assert len(text) < 2_500_000


@needs_whisper
def test_words_of_private_scripts_are_shown_when_asked_for_alone(tmp_path):
    made = made_study(tmp_path, private=True, changes=LOGPROBS)
    assert 'rl-transcript"' not in report_html(made, Question(), private=False)
    assert 'rl-transcript"' in report_html(made, Question(), private=True)


def test_simulated_transcripts_say_nothing(tmp_path):
    made = made_study(tmp_path, transcriber="simulated")
    text = report_html(made, Question(), private=True)
    assert "What each setting does to transcripts" not in text and 'rl-transcript"' not in text
    assert "Transcripts are simulated" in text


def test_the_sentences_have_no_more_figures_than_their_tables(tmp_path):
    """Without a recogniser too: every figure of the operating point's and the noise's sentence is in their tables."""
    made = made_study(tmp_path, space=SPACE, scripts=2, conditions=CONDITIONS, transcriber="simulated")
    told = findings(made, "clean", WAIT, {"silence_duration_ms": 1000}, recognised=False)
    noise = next(entry for entry in told if entry.title == "What pink_0dB does to it")
    shown = set(figures(" ".join(" ".join(cells) for cells in noise.rows)))
    said = noise.sentence.partition("changes:")[2].replace("pink_0dB", "")
    assert figures(said) and set(figures(said)) <= shown
