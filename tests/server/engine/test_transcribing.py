"""What a session says about a recogniser's answers: deltas, completed or failed, log-probabilities, usage."""

from itertools import pairwise

import pytest
from engine_talk import Talk, kinds, only
from msgspec import UNSET

from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import TokenLogprob, TranscriptionLanguage, TranscriptionUsage
from realtime_lab.server import PROFILES
from realtime_lab.server.engine.conversation import Conversation
from realtime_lab.server.engine.outbox import Draws, Outbox
from realtime_lab.server.engine.settings import Settings
from realtime_lab.server.engine.transcribing import LOGPROBS, Asked, Recognition, Transcribing

# The second character of "café" travels in two tokens, as byte-pair vocabularies cut it.
TOKENS = tuple(
    TokenLogprob(token=data.decode("utf-8", "replace"), logprob=-0.1 * index, bytes=list(data))
    for index, data in enumerate([b"A", b" caf", b"\xc3", b"\xa9", b".", b" Now", b"."])
)
HEARD = Recognition("fake 1", "A café. Now.", TOKENS, "en", prompt_tokens=2)


class Fake:
    """Answers each span with the next of `answers`; None is "not ready yet"."""

    name = "fake 1"

    def __init__(self, *answers):
        self.answers = list(answers)
        self.begun = []

    def begin(self, start_ms, end_ms, asked):
        self.begun.append((start_ms, end_ms, asked))
        return lambda: self.answers.pop(0)


def transcribed(*answers, include=(LOGPROBS,), end_ms=3000.0, **transcription):
    """The timed events of one item of 2.5 s committed at 1 s, and the fake that was asked."""
    settings, draws, fake = Settings(PROFILES["documented"]), Draws(0), Fake(*answers)
    settings.effective["include"] = list(include)
    settings.effective["audio"]["input"]["transcription"] = transcription
    outbox = Outbox(draws, event_ms=0.0)
    Transcribing(settings, outbox, draws, Conversation(), fake).begin(1000.0, "item_1", 500.0, end_ms)
    return outbox.take_due(60_000.0), fake


def test_deltas_are_words_and_marks_with_their_tokens_and_make_up_what_is_completed():
    timed, fake = transcribed(HEARD, model="gpt-4o-transcribe", language="en", prompt="Bestell")
    *deltas, (_, done) = timed
    assert fake.begun == [(500.0, 3000.0, Asked("gpt-4o-transcribe", "en", "Bestell"))]
    assert [event.delta for _, event in deltas] == ["A", " café", ".", " Now", "."]
    assert [token for _, event in deltas for token in event.logprobs] == list(TOKENS) == done.logprobs
    assert done.transcript == "A café. Now."
    times = [t_ms for t_ms, _ in timed]
    assert times[0] > 1000.0 and times == sorted(times) and len(set(times)) == 6


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe"])
def test_logprobs_are_left_out_unless_asked_for_and_null_unless_given_by_the_model(model):
    asked, _ = transcribed(HEARD, model=model)
    not_asked, _ = transcribed(HEARD, model=model, include=())
    assert all(event.logprobs is UNSET for _, event in not_asked)
    assert all((event.logprobs is None) == (model == "whisper-1") for _, event in asked)


def test_an_engine_without_logprobs_still_gives_words():
    timed, _ = transcribed(Recognition("fake 1", "one two"), model="gpt-4o-transcribe")
    assert [(event.delta, event.logprobs) for _, event in timed[:-1]] == [("one", None), (" two", None)]
    assert timed[-1][1].logprobs is None


def test_usage_is_tokens_or_seconds_by_model():
    (*_, (_, tokens)), _ = transcribed(HEARD, model="gpt-4o-transcribe")
    (one_delta, (_, seconds)), _ = transcribed(HEARD, model="whisper-1")
    (*_, (_, streamed)), _ = transcribed(HEARD, model="gpt-realtime-whisper")
    assert (tokens.usage.input_tokens, tokens.usage.output_tokens, tokens.usage.total_tokens) == (27, 7, 34)
    assert tokens.usage.input_token_details.audio_tokens == 25
    assert seconds.usage == streamed.usage == TranscriptionUsage(type="duration", seconds=3)
    assert one_delta[1].delta == HEARD.text


def test_audio_is_billed_in_whole_tokens_only():
    """2,796 ms were 27 tokens in recorded sessions, 2,668 ms 26."""
    for length_ms, tokens in ((2796.0, 27), (2668.0, 26), (99.0, 0)):
        timed, _ = transcribed(HEARD, model="gpt-4o-transcribe", end_ms=500.0 + length_ms)
        assert timed[-1][1].usage.input_token_details.audio_tokens == tokens


def test_gpt_transcribe_alone_tells_the_languages_it_found():
    told = {
        (model, language): transcribed(Recognition("fake 1", "oui", language=language), model=model)[0][-1][1].languages
        for model in ("gpt-transcribe", "gpt-4o-transcribe")
        for language in ("fr", None)
    }
    assert told == {
        ("gpt-transcribe", "fr"): [TranscriptionLanguage(code="fr")],
        ("gpt-transcribe", None): [],
        ("gpt-4o-transcribe", "fr"): UNSET,
        ("gpt-4o-transcribe", None): UNSET,
    }


def test_no_transcript_is_said_with_its_code():
    refused = Recognition("fake 1", None, code="language_not_supported", message="It knows English only.")
    timed, _ = transcribed(refused, model="m")
    (_, failed), *more = timed
    assert not more and isinstance(failed, ev.TranscriptionFailed)
    assert (failed.error["code"], failed.error["message"]) == ("language_not_supported", "It knows English only.")


def test_nothing_said_is_an_empty_transcript_and_no_delta():
    ((_, done),), _ = transcribed(Recognition("fake 1", "", ()), model="m")
    assert (done.transcript, done.logprobs, done.usage.output_tokens) == ("", [], 0)
    ((_, done),), _ = transcribed(Recognition("fake 1", ""), model="gpt-realtime-whisper")
    assert (done.transcript, done.usage) == ("", TranscriptionUsage(type="duration", seconds=0))


def test_a_recogniser_that_is_not_ready_is_asked_again_and_delays_its_events():
    at_once, _ = transcribed(HEARD, model="m")
    late, _ = transcribed(*[None] * 100, HEARD, model="m")
    assert [event for _, event in late] == [event for _, event in at_once]
    assert late[-1][0] == at_once[0][0] + 1000.0


def test_nothing_is_transcribed_unless_the_session_asks():
    settings, draws = Settings(PROFILES["documented"]), Draws(0)
    outbox = Outbox(draws, event_ms=0.0)
    Transcribing(settings, outbox, draws, Conversation(), Fake()).begin(0.0, "item_1", 0.0, 500.0)
    assert outbox.next_due_ms() is None


# --- recognisers that write while the caller speaks -----------------------------------------------------------------

DELTA = "conversation.item.input_audio_transcription.delta"
STOPPED = "input_audio_buffer.speech_stopped"
SENTENCE = "one two three four five six seven eight.".split()


class Counter:
    """Understands one word of the sentence in each whole 400 ms; `mistakes`: other words, by the length of the span."""

    name = "counter"

    def __init__(self, slow=False, **mistakes):
        self.spans, self.slow = [], slow
        self.mistakes = {float(length[1:]): text for length, text in mistakes.items()}

    def begin(self, start_ms, end_ms, asked):
        self.spans.append((start_ms, end_ms))
        words = " ".join(SENTENCE[: int((end_ms - start_ms) // 400)])
        answers = [None] * 3 * self.slow + [Recognition("counter", self.mistakes.get(end_ms - start_ms, words))]
        return lambda: answers.pop(0)


def streaming(transcriber, model="gpt-realtime-whisper", **audio_in):
    talk = Talk(transcriber=transcriber)
    talk.update(audio={"input": {"transcription": {"model": model}, **audio_in}})
    return talk


def said_by(events):
    return [event["delta"] for event in only(events, DELTA)]


def test_a_streaming_recognisers_words_come_while_the_caller_speaks_but_for_the_last_which_may_be_half_spoken():
    counter = Counter()
    talk = streaming(counter)
    during = talk.say(100, loud=True)
    assert said_by(during) == [" one", " two", " three", " four", " five", " six"]
    assert counter.spans == [(0.0, 992.0), (0.0, 1952.0), (0.0, 2912.0)]
    after = talk.say(40, loud=False) + talk.wait(5_000)
    (done,) = only(after, "conversation.item.input_audio_transcription.completed")
    assert said_by(after) == [" seven", " eight", "."]
    assert "".join(said_by(during) + said_by(after)).strip() == done["transcript"] == " ".join(SENTENCE)
    (started,) = only(during, "input_audio_buffer.speech_started")
    assert {event["item_id"] for event in only(talk.events, DELTA)} == {started["item_id"]}
    assert all(len(event["delta"] + event["obfuscation"]) % 16 == 0 for event in only(talk.events, DELTA))
    assert talk.in_order() == []


def test_audio_that_comes_in_bulk_is_written_after_its_commit():
    talk = streaming(Counter())
    before = talk.t_ms
    talk.say(100, loud=True)
    talk.say(40, loud=False)
    bulk = streaming(Counter())
    for loud in [True] * 100 + [False] * 40:
        bulk.t_ms -= 32  # no time passes between appends
        bulk.say(1, loud)
    said = bulk.wait(5_000)
    assert bulk.t_ms == before + 5_000 and kinds(said).index(STOPPED) < kinds(said).index(DELTA)
    assert said_by(said) == said_by(talk.events + talk.wait(5_000))


def test_words_that_were_sent_are_not_taken_back_and_what_is_completed_is_what_counts():
    talk = streaming(Counter(_1952="a different thing said", _3872="won two three four five six"))
    events = talk.say(80, loud=True) + talk.say(40, loud=False) + talk.wait(5_000)
    (done,) = only(events, "conversation.item.input_audio_transcription.completed")
    assert said_by(events)[:1] == [" one"] and "different" not in "".join(said_by(events))
    assert len("".join(said_by(events)).split()) == len(done["transcript"].split())


def test_a_slow_recogniser_is_waited_for_and_one_that_is_cut_off_says_no_more():
    talk = streaming(Counter(slow=True))
    assert said_by(talk.say(36, loud=True)) == [" one"]
    talk.send("input_audio_buffer.clear")
    assert said_by(talk.say(10, loud=False) + talk.wait(5_000)) == []
    talk.say(60, loud=True)
    talk.update(audio={"input": {"turn_detection": None, "transcription": {"model": "gpt-4o-transcribe"}}})
    assert said_by(talk.wait(5_000)) == []


def test_audio_that_stops_coming_is_waited_for():
    counter = Counter()
    talk = streaming(counter)
    talk.say(20, loud=True)
    assert talk.wait(10_000) == [] and counter.spans == []
    assert said_by(talk.say(14, loud=True) + talk.wait(400)) == [" one"]


def test_without_turn_detection_an_item_is_written_from_its_first_audio_on_and_committed_under_its_name():
    talk = streaming(Counter(), "gpt-live-transcribe", turn_detection=None)
    for _ in range(2):
        during = talk.say(70, loud=True)
        assert said_by(during) == [" one", " two", " three"]
        after = talk.ask("input_audio_buffer.commit") + talk.wait(5_000)
        (committed,) = only(after, "input_audio_buffer.committed")
        assert {event["item_id"] for event in only(during + after, DELTA)} == {committed["item_id"]}
        assert "".join(said_by(during + after)).strip() == "one two three four five"
    assert talk.in_order() == []


def test_long_turns_are_asked_about_ever_more_rarely():
    counter = Counter()
    streaming(counter).say(1875, loud=True)  # a minute
    lengths = [end_ms - start_ms for start_ms, end_ms in counter.spans]
    assert len(lengths) < 20 and all(b >= max(a + 960, 1.25 * a) for a, b in pairwise(lengths))


def test_recognisers_that_do_not_stream_are_asked_once():
    counter = Counter()
    talk = streaming(counter, "gpt-4o-transcribe")
    assert said_by(talk.say(100, loud=True)) == []
    after = talk.say(40, loud=False) + talk.wait(5_000)
    assert len(counter.spans) == 1 and said_by(after)[:2] == ["one", " two"]
