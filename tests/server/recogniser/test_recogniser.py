"""The recogniser: what is trimmed, what is remembered, what is refused, and that the same samples say the same."""

import hashlib
import json

import numpy as np
import pytest
import soundfile

from realtime_lab.audio.pcm import GRID_SAMPLES
from realtime_lab.errors import ConfigError, MissingExtraError
from realtime_lab.protocol.items import TokenLogprob
from realtime_lab.resources import data_path
from realtime_lab.server.engine.transcribing import Asked, Recognition
from realtime_lab.server.hearing.heard import KEPT_MS, HeardFrames, HeardSpan
from realtime_lab.server.recogniser import weights as whisper_weights
from realtime_lab.server.recogniser.recogniser import Recogniser, open_recogniser, trimmed
from realtime_lab.server.recogniser.transcriber import PunctuationEndOfTurn, RecognisingTranscriber
from realtime_lab.server.recogniser.weights import find_weights, whisper_installed
from realtime_lab.server.recogniser.whisper import log_mel

needs_whisper = pytest.mark.skipif(not whisper_installed(), reason="the extra whisper is not installed")
RATE_HZ = 16_000


class Counting:
    """A SpeechModel that says how often it was asked."""

    name = "counting 1"

    def __init__(self):
        self.asked = 0

    def recognise(self, samples, asked):
        self.asked += 1
        tokens = (TokenLogprob(token=str(len(samples)), logprob=-1 / 3, bytes=list(str(len(samples)).encode())),)
        return Recognition(self.name, str(len(samples)), tokens, "en", finished=1 / 7)


def span(*pieces, rate_hz=RATE_HZ, name=None):
    return HeardSpan(rate_hz, tuple(np.asarray(piece, dtype=np.int16) for piece in pieces), name)


def speech(n=16_000, level=3000, seed=0):
    return np.random.default_rng(seed).normal(0, level, n).astype(np.int16)


def test_silence_over_200_ms_at_either_end_is_left_out():
    quiet = speech(8_000, level=30, seed=1)
    kept = trimmed(np.concatenate([quiet, speech(), quiet]), RATE_HZ)
    assert np.array_equal(kept, np.concatenate([quiet[-3_200:], speech(), quiet[:3_200]]))


def test_how_much_silence_follows_changes_nothing_and_noise_is_never_left_out():
    quiet = speech(32_000, level=30, seed=1)
    short, long = (trimmed(np.concatenate([speech(), quiet[:n]]), RATE_HZ) for n in (3_200, 32_000))
    assert np.array_equal(short, long)
    noise = speech(32_000, level=300)
    assert np.array_equal(trimmed(noise, RATE_HZ), noise)


@pytest.mark.parametrize("samples", [np.zeros(0, dtype=np.int16), np.zeros(70, dtype=np.int16), speech(7)])
def test_spans_shorter_than_a_window_are_trimmed_without_harm(samples):
    assert len(trimmed(samples, RATE_HZ)) == len(samples)


def test_a_segment_is_recognised_once_and_files_give_back_exactly_what_was_computed(tmp_path):
    first, again = Counting(), Counting()
    computed = Recogniser(first, tmp_path).recognise(span(speech()), Asked())
    cut_otherwise = span(speech()[:77], speech()[77:])
    assert Recogniser(again, tmp_path).recognise(cut_otherwise, Asked()) == computed
    assert (first.asked, again.asked) == (1, 0)
    assert computed.logprobs[0].logprob == -1 / 3 and computed.finished == 1 / 7


def test_other_samples_rates_languages_and_prompts_are_other_segments():
    model = Counting()
    recogniser = Recogniser(model, None)
    for heard, asked in [
        (span(speech()), Asked()),
        (span(speech(seed=2)), Asked()),
        (span(speech(), rate_hz=8_000), Asked()),
        (span(speech()), Asked(language="en")),
        (span(speech()), Asked(prompt="en")),
    ] * 2:
        recogniser.recognise(heard, asked)
    assert model.asked == 5


def test_a_named_span_is_not_looked_at_again():
    model = Counting()
    recogniser = Recogniser(model, None)
    found = recogniser.recognise(span(speech(), name="a"), Asked())
    unreadable = HeardSpan(RATE_HZ, (), "a")
    assert recogniser.recognise(unreadable, Asked()) is found and model.asked == 1


def test_a_damaged_file_is_computed_again(tmp_path):
    computed = Recogniser(Counting(), tmp_path).recognise(span(speech()), Asked())
    (path,) = tmp_path.rglob("*.json")
    path.write_bytes(path.read_bytes()[:20])
    model = Counting()
    assert Recogniser(model, tmp_path).recognise(span(speech()), Asked()) == computed and model.asked == 1


def test_heard_frames_give_any_span_that_is_still_kept():
    frames, heard = np.arange(4 * GRID_SAMPLES).astype(np.int16), HeardFrames()
    for start in range(0, len(frames), GRID_SAMPLES):
        heard.append(frames[start : start + GRID_SAMPLES])
    assert np.array_equal(heard.span(10.0, 100.0).samples(), frames[240:2400])
    assert np.array_equal(heard.span(0.0, 999.0).samples(), frames)
    for _ in range(KEPT_MS // 32):
        heard.append(frames[:GRID_SAMPLES])
    assert heard.span(10.0, 100.0) is None and heard.span(128.0, 160.0) is not None


def test_audio_that_is_no_longer_kept_is_no_transcript_with_a_code():
    begun = RecognisingTranscriber(Recogniser(Counting(), None), HeardFrames()).begin(0.0, 500.0, Asked())
    assert (begun().text, begun().code) == (None, "audio_not_kept")


def test_a_recogniser_that_fails_on_its_thread_is_no_transcript_with_a_code():
    from concurrent.futures import ThreadPoolExecutor

    class Broken:
        name = "broken"

        def recognise(self, samples, asked):
            raise RuntimeError("secret path")

    heard = HeardFrames()
    heard.append(np.ones(GRID_SAMPLES, dtype=np.int16))
    with ThreadPoolExecutor(1) as threads:
        pending = RecognisingTranscriber(Recogniser(Broken(), None), heard, threads.submit).begin(0.0, 32.0, Asked())
    found = pending()
    assert found.code == "transcription_failed" and "secret" not in found.message


def test_without_the_extra_the_recogniser_is_refused_by_its_name(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"realtime_lab\[whisper\]") as caught:
        find_weights.__wrapped__(None)
    assert caught.value.extra == "whisper"


@needs_whisper
def test_weights_that_are_not_the_published_ones_are_refused(monkeypatch, tmp_path):
    changed = {**whisper_weights.SHIPPED, "vocabulary.txt": "0" * 64}
    monkeypatch.setattr(whisper_weights, "SHIPPED", changed)
    with pytest.raises(ConfigError, match=r"vocabulary\.txt"):
        find_weights.__wrapped__(None)
    with pytest.raises(ConfigError, match=r"model\.bin"):
        find_weights.__wrapped__(tmp_path)


@needs_whisper
def test_a_folder_of_unknown_weights_is_named_by_its_hash(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"weights")
    (tmp_path / "vocabulary.txt").write_text("a")
    name = find_weights(tmp_path).name
    assert hashlib.sha256(b"weights").hexdigest()[:12] in name and "unknown origin" in name
    with pytest.raises(ConfigError, match="ctranslate2 can load"):
        open_recogniser(tmp_path).recognise(span(speech()), Asked())


@pytest.fixture(scope="module")
def sentence():
    pcm, rate_hz = soundfile.read(data_path("speech/librivox/sense-and-sensibility-0930.flac"), dtype="int16")
    assert rate_hz == RATE_HZ
    return pcm


@needs_whisper
def test_tokens_spell_the_transcript_and_come_with_true_logprobs(sentence):
    found = open_recogniser().recognise(span(sentence), Asked())
    assert found.text == "He might even have been made amiable himself."
    assert b"".join(bytes(token.bytes) for token in found.logprobs).decode() == found.text
    assert "".join(token.token for token in found.logprobs) == found.text
    assert all(-20 < token.logprob <= 0 for token in found.logprobs)
    assert found.finished > 0.5 and found.language == "en" and "1a5afae06a4d" in found.engine


@needs_whisper
def test_logprobs_are_those_of_the_model_step_by_step(sentence):
    """The log-softmax of each step, against the model's own mean over the same tokens and the end of text."""
    import ctranslate2

    folder = find_weights(None).folder
    model = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="int8", intra_threads=1)
    mel = ctranslate2.StorageView.from_array(log_mel(trimmed(sentence, RATE_HZ), 1_500)[None])
    vocabulary = (folder / "vocabulary.txt").read_text("utf-8").split("\n")
    start = [vocabulary.index(name) for name in ("<|startoftranscript|>", "<|notimestamps|>")]
    result = model.generate(mel, [start], beam_size=1, return_scores=True, length_penalty=0, return_logits_vocab=True)
    last = np.array(result[0].logits[0][-1], dtype=np.float64)
    ended = last[vocabulary.index("<|endoftext|>")] - np.logaddexp.reduce(last)
    found = open_recogniser().recognise(span(sentence), Asked())
    total = sum(token.logprob for token in found.logprobs) + ended
    assert total == pytest.approx(result[0].scores[0], abs=1e-3)  # ctranslate2 adds up float32


@needs_whisper
@pytest.mark.parametrize(("language", "code"), [("de", "language_not_supported"), ("en-GB", None), (None, None)])
def test_an_english_model_refuses_other_languages(sentence, language, code):
    found = open_recogniser().recognise(span(sentence), Asked(language=language))
    assert found.code == code and (found.text is None) == (code is not None)
    assert code is None or "English only" in found.message


@needs_whisper
def test_digital_silence_has_no_words_and_a_prompt_guides(sentence):
    silent = open_recogniser().recognise(span(np.zeros(RATE_HZ)), Asked())
    assert (silent.text, silent.logprobs, silent.code) == ("", (), None)
    guided = open_recogniser().recognise(span(sentence), Asked(prompt="Sense and Sensibility"))
    assert guided.prompt_tokens > 2 and guided.text


@needs_whisper
def test_a_turn_broken_off_is_less_finished_than_a_whole_one(sentence):
    class Audio:
        def span(self, start_ms, end_ms):
            return span(sentence[int(start_ms * 16) : int(end_ms * 16)])

    estimate = PunctuationEndOfTurn(open_recogniser(), Audio())
    length_ms = len(sentence) / 16
    assert estimate.probability(0.0, length_ms) > estimate.probability(0.0, 0.5 * length_ms)
    assert estimate.probability(0.0, 10.0) < 0.5


def test_a_multilingual_model_is_told_language_and_task_behind_what_was_said_before():
    from realtime_lab.server.recogniser.whisper import Vocabulary, WhisperModel

    names = "<|endoftext|> <|startoftranscript|> <|en|> <|de|> <|transcribe|> <|startofprev|> <|notimestamps|>".split()
    model = WhisperModel.__new__(WhisperModel)  # weights of such a model come in no package
    model.vocabulary, model.multilingual = Vocabulary(["a", "b", *names]), True
    assert model.languages == {"en", "de"}
    started = [model.vocabulary.tokens[number] for number in model._start("de", [0, 1])]
    assert started == ["<|startofprev|>", "a", "b", *names[1:2], "<|de|>", "<|transcribe|>", "<|notimestamps|>"]
    model.multilingual = False
    assert [model.vocabulary.tokens[number] for number in model._start("en", [])] == [names[1], names[-1]]
    assert model.languages == {"en"}


@needs_whisper
def test_prompts_are_encoded_as_the_published_tokenizer_does():
    """Expected numbers: tokenizers 0.22 on the same tokenizer.json."""
    from realtime_lab.server.recogniser.whisper import read_vocabulary

    vocabulary = read_vocabulary(find_weights(None).folder)
    text = "Hello, Mr. O'Neil! Näht 123 über_x  two"
    numbers = [15496, 11, 1770, 13, 440, 6, 29354, 0, 399, 11033, 4352, 17031, 6184, 120, 527, 62, 87, 220, 734]
    assert vocabulary.encode(text) == numbers
    assert b"".join(map(vocabulary.data, numbers)).decode() == text
    assert json.loads((find_weights(None).folder / "tokenizer.json").read_bytes())["model"]["vocab"]["Ġtwo"] == 734
