"""The recogniser on shipped speech: word errors, what log-probabilities tell, and what settings do to both.

Every test prints its figures. Quick runs take a part of the clips; --full takes all of them and holds the stated bars.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from realtime_lab.analysis.rows.session import session_rows
from realtime_lab.analysis.rows.transcription import token_bytes, token_spans
from realtime_lab.analysis.text.alignment import align, count_edits
from realtime_lab.analysis.text.normaliser import ENGLISH, normalise
from realtime_lab.audio import clean, load_scripts, pink
from realtime_lab.audio.pcm import as_pcm16
from realtime_lab.audio.render import Renderer
from realtime_lab.audio.script import Script, Segment, Turn
from realtime_lab.audio.sets import shipped_clips
from realtime_lab.config import ServerVad, SessionConfig, Transcription
from realtime_lab.server.engine.transcribing import Asked
from realtime_lab.server.hearing.heard import HeardSpan
from realtime_lab.server.recogniser.recogniser import open_recogniser
from realtime_lab.server.recogniser.weights import whisper_installed
from realtime_lab.session import Stage, mocked, run_session

pytestmark = pytest.mark.skipif(not whisper_installed(), reason="the extra whisper is not installed")
QUICK_CLIPS = 24
CONDITIONS = (clean(), pink(10), pink(0))


@dataclass
class Word:
    """A recognised word."""

    wrong: bool
    min_logprob: float


@dataclass
class Heard:
    """What was recognised in the same clips under one condition."""

    edits: int = 0
    words: int = 0
    logprobs: tuple[float, ...] = ()
    judged: tuple[Word, ...] = ()

    @property
    def wer(self):
        return self.edits / self.words

    @property
    def mean_logprob(self):
        return float(np.mean(self.logprobs))


def passage(clip, condition):
    """The clip as a session would play it, with 256 ms before it and 768 ms behind."""
    turn = Turn(segments=(Segment(clip),), text=clip.text)
    return Renderer(Script(id="clip", set_name="clips", turns=(turn,)), condition).turn(0)


def recognised(pcm):
    return open_recogniser().recognise(HeardSpan(24_000, (pcm,)), Asked())


def judged_words(clip, found):
    """Each recognised word: whether it is wrong, and the lowest log-probability of the tokens that wrote it."""
    said = [word.text for word in normalise(clip.text, ENGLISH)]
    heard = normalise(found.text, ENGLISH)
    spans = token_spans(found.text, [token_bytes(token) for token in found.logprobs])
    assert spans is not None
    for pair in align(said, [word.text for word in heard]):
        if pair.hypothesis is not None:
            word = heard[pair.hypothesis]
            inside = [
                token.logprob
                for token, span in zip(found.logprobs, spans, strict=True)
                if span.start < word.end and span.end > word.start
            ]
            yield Word(pair.operation != "equal", min(inside))


@pytest.fixture(scope="module")
def heard(full):
    """By condition, what was recognised in the shipped clips."""
    clips = shipped_clips() if full else shipped_clips()[:QUICK_CLIPS]
    results = {}
    for condition in CONDITIONS:
        result = results[condition.name] = Heard()
        for clip in clips:
            found = recognised(passage(clip, condition).pcm)
            edits = count_edits(*(tuple(w.text for w in normalise(text, ENGLISH)) for text in (clip.text, found.text)))
            result.edits += edits.substitutions + edits.deletions + edits.insertions
            result.words += edits.n_reference
            result.logprobs += tuple(token.logprob for token in found.logprobs)
            result.judged += tuple(judged_words(clip, found))
    return results


def auc(words):
    """Probability that a wrong word has a lower minimum than a right one; ties count half."""
    wrong = [-word.min_logprob for word in words if word.wrong]
    right = [-word.min_logprob for word in words if not word.wrong]
    return mannwhitneyu(wrong, right).statistic / (len(wrong) * len(right))


def say(capsys, *lines):
    with capsys.disabled():
        print("\n" + "\n".join(lines))


def test_word_errors_are_few_on_clean_speech_and_logprobs_fall_with_noise(heard, full, capsys):
    say(
        capsys,
        f"{open_recogniser().name}, normaliser {ENGLISH}",
        "condition  pooled WER  edits/words  mean token logprob  tokens",
        *(
            f"{name:9s} {100 * r.wer:9.1f} %  {r.edits:5d}/{r.words:<5d}  {r.mean_logprob:18.3f}  {len(r.logprobs):6d}"
            for name, r in heard.items()
        ),
    )
    quiet, noisy, drowned = heard.values()
    assert quiet.wer <= (0.06 if full else 0.10)  # the first clips are the hardest
    assert quiet.mean_logprob > noisy.mean_logprob > drowned.mean_logprob


def test_a_low_logprob_tells_a_wrong_word(heard, full, capsys):
    pooled = [word for result in heard.values() for word in result.judged]
    lines = [
        f"{name:9s} AUC {auc(words):.3f}, {sum(word.wrong for word in words)} of {len(words)} words wrong"
        for name, words in [*((name, result.judged) for name, result in heard.items()), ("pooled", pooled)]
    ]
    say(capsys, "word wrong, from the minimum token logprob", *lines)
    assert auc(pooled) >= 0.80
    assert not full or auc(heard["clean"].judged) >= 0.80


def sessions(scripts, stage, **detection):
    """Rows of the turns of sessions over `scripts`, and their tokens."""
    config = SessionConfig(
        model="gpt-realtime",
        turn_detection=ServerVad(**detection),
        transcription=Transcription(model="gpt-4o-transcribe"),
        logprobs=True,
    )
    rows = [
        session_rows(run_session(config, script, mocked(transcriber="whisper"), stage=stage, seed=1))
        for script in scripts
    ]
    return [row for found in rows for row in found.turns], [row for found in rows for row in found.tokens]


def pooled_wer(turns):
    scored = [row for row in turns if row["wer"] is not None]
    edits = sum(row["n_substitutions"] + row["n_deletions"] + row["n_insertions"] for row in scored)
    return edits / sum(row["n_ref_words"] for row in scored), len(scored)


@pytest.mark.parametrize(("name", "values"), [("silence_duration_ms", (200, 1000)), ("prefix_padding_ms", (0, 300))])
def test_cutting_early_and_clipped_onsets_change_transcripts_and_logprobs(name, values, full, capsys):
    """On the same speech: a cut inside a turn, or speech lost at its onset, is heard by the recogniser."""
    scripts = load_scripts("orders")[: None if full else 2]
    stage, lines, results = Stage(), [f"{name:>20s}  WER    mean logprob  first token  transcripts"], []
    for value in values:
        turns, tokens = sessions(scripts, stage, **{"silence_duration_ms": 1000, name: value})
        wer, n_scored = pooled_wer(turns)
        mean = float(np.mean([token["logprob"] for token in tokens]))
        first = float(np.mean([row["first_token_logprob"] for row in turns if row["first_token_logprob"] is not None]))
        lines.append(f"{value:20d}  {100 * wer:4.1f} %  {mean:11.3f}  {first:11.3f}  {n_scored:11d}")
        results.append(([row["transcript"] for row in turns], mean, first))
    changed = sum(a != b for a, b in zip(*(result[0] for result in results), strict=True))
    say(capsys, *lines, f"{changed} of {len(results[0][0])} transcripts differ")
    (_, harmed_mean, harmed_first), (_, mean, first) = results
    assert changed > 0 and harmed_mean < mean
    assert harmed_first < first


def test_unfinished_sentences_are_told_from_finished_ones(full, capsys):
    """Terminal punctuation as an end-of-turn estimate: whole prompts against the same prompts broken off inside."""
    clips = [clip for clip in shipped_clips() if clip.speaker == "Allison Smith" and len(clip.text.split()) >= 5]
    whole, broken = [], []
    for clip in clips if full else clips[:10]:
        played = passage(clip, clean())
        start, end = played.speech_ms[0].start_ms, played.speech_ms[-1].end_ms
        whole.append(recognised(played.pcm).finished)
        broken.append(recognised(played.pcm[: int((start + 0.6 * (end - start)) * 24)]).finished)
    found = mannwhitneyu(whole, broken).statistic / (len(whole) * len(broken))
    say(
        capsys,
        f"end of turn: AUC {found:.3f} on {len(whole)} prompts, whole and broken off at 60 %",
        f"median probability {np.median(whole):.2f} and {np.median(broken):.2f}",
    )
    assert found >= 0.75


def test_how_often_words_are_heard_where_nobody_speaks(full, capsys):
    """Digital silence never gives words; noise may, as with a service: the share is printed, and bounded."""
    assert recognised(np.zeros(48_000, dtype=np.int16)).text == ""
    rng, n_spans = np.random.default_rng(5), 40 if full else 10
    lines, invented = [], 0
    for dbfs in (-60, -40, -25):
        texts = [recognised(as_pcm16(10 ** (dbfs / 20) * rng.standard_normal(48_000))).text for _ in range(n_spans)]
        invented += sum(bool(text) for text in texts)
        lines.append(
            f"white noise at {dbfs} dBFS: words in {sum(map(bool, texts))} of {n_spans}: {sorted(set(texts))[:4]}"
        )
    say(capsys, *lines)
    assert invented <= 0.1 * 3 * n_spans
