"""What a session says about a recogniser's answers: deltas, completed or failed, log-probabilities, usage."""

import pytest

from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import TokenLogprob, TranscriptionUsage
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


def transcribed(*answers, include=(LOGPROBS,), **transcription):
    """The timed events of one item of 2.5 s committed at 1 s, and the fake that was asked."""
    settings, draws, fake = Settings(PROFILES["documented"]), Draws(0), Fake(*answers)
    settings.effective["include"] = list(include)
    settings.effective["audio"]["input"]["transcription"] = transcription
    outbox = Outbox(draws, event_ms=0.0)
    Transcribing(settings, outbox, draws, Conversation(), fake).begin(1000.0, "item_1", 500.0, 3000.0)
    return outbox.take_due(60_000.0), fake


def test_deltas_are_words_with_their_tokens_and_make_up_what_is_completed():
    timed, fake = transcribed(HEARD, model="gpt-4o-transcribe", language="en", prompt="Bestell")
    *deltas, (_, done) = timed
    assert fake.begun == [(500.0, 3000.0, Asked("gpt-4o-transcribe", "en", "Bestell"))]
    assert [event.delta for _, event in deltas] == ["A", " café.", " Now."]
    assert [token for _, event in deltas for token in event.logprobs] == list(TOKENS) == done.logprobs
    assert done.transcript == "A café. Now."
    times = [t_ms for t_ms, _ in timed]
    assert times[0] > 1000.0 and times == sorted(times) and len(set(times)) == 4


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe"])
def test_logprobs_are_null_unless_asked_for_and_given_by_the_model(model):
    asked, _ = transcribed(HEARD, model=model)
    not_asked, _ = transcribed(HEARD, model=model, include=())
    assert all(event.logprobs is None for _, event in not_asked)
    assert all((event.logprobs is None) == (model == "whisper-1") for _, event in asked)


def test_an_engine_without_logprobs_still_gives_words():
    timed, _ = transcribed(Recognition("fake 1", "one two"), model="gpt-4o-transcribe")
    assert [(event.delta, event.logprobs) for _, event in timed[:-1]] == [("one", None), (" two", None)]
    assert timed[-1][1].logprobs is None


def test_usage_is_tokens_or_seconds_by_model():
    (*_, (_, tokens)), _ = transcribed(HEARD, model="gpt-4o-transcribe")
    (one_delta, (_, seconds)), _ = transcribed(HEARD, model="whisper-1")
    assert (tokens.usage.input_tokens, tokens.usage.output_tokens, tokens.usage.total_tokens) == (27, 7, 34)
    assert tokens.usage.input_token_details.audio_tokens == 25
    assert seconds.usage == TranscriptionUsage(type="duration", seconds=2.5)
    assert one_delta[1].delta == HEARD.text


def test_no_transcript_is_said_with_its_code():
    refused = Recognition("fake 1", None, code="language_not_supported", message="It knows English only.")
    timed, _ = transcribed(refused, model="m")
    (_, failed), *more = timed
    assert not more and isinstance(failed, ev.TranscriptionFailed)
    assert (failed.error["code"], failed.error["message"]) == ("language_not_supported", "It knows English only.")


def test_nothing_said_is_an_empty_transcript_and_no_delta():
    ((_, done),), _ = transcribed(Recognition("fake 1", "", ()), model="m")
    assert (done.transcript, done.logprobs, done.usage.output_tokens) == ("", [], 0)


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
