"""Conversation items: made, fetched, deleted and cut short by the client."""

import base64

import pytest
from engine_talk import Talk, kinds, only, profile_with

from realtime_lab.server import LogNormal
from realtime_lab.server.engine.transcribing import Recognition

HELLO = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello there"}]}
CALL = {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "call_1"}


def spoken(talk):
    """A response given whole: its item's id and its audio in ms."""
    (done,) = only(talk.respond(), "response.done")
    tokens = done["response"]["usage"]["output_token_details"]["audio_tokens"]
    return done["response"]["output"][0]["id"], tokens * 50


def test_items_of_every_kind_are_added_and_come_back_as_they_were_made():
    talk = Talk()
    for item in (
        HELLO,
        {**HELLO, "role": "system"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "yes"}]},
        CALL,
        {"type": "function_call_output", "call_id": "call_1", "output": "3"},
    ):
        added, done = talk.ask("conversation.item.create", item=item)
        assert kinds([added, done]) == ["conversation.item.added", "conversation.item.done"]
        (retrieved,) = talk.ask("conversation.item.retrieve", item_id=added["item"]["id"])
        assert retrieved["item"] == done["item"] and item.items() <= retrieved["item"].items()
    assert talk.in_order() == []


def test_audio_in_an_item_counts_as_audio_and_is_not_sent_back():
    talk = Talk()
    sound = base64.b64encode(bytes(48 * 1000)).decode()
    part = {"type": "input_audio", "audio": sound, "transcript": "one second"}
    (added, _) = talk.ask("conversation.item.create", item={**HELLO, "content": [part]})
    assert added["item"]["content"] == [{"type": "input_audio", "transcript": "one second"}]
    (done,) = only(talk.respond(), "response.done")
    assert done["response"]["usage"]["input_token_details"]["audio_tokens"] == 10


def test_items_go_where_they_are_put():
    talk = Talk()
    for name, before in (("a", None), ("c", None), ("b", "a"), ("first", "root")):
        (added, _) = talk.ask("conversation.item.create", item={**HELLO, "id": name}, previous_item_id=before)
        assert added["previous_item_id"] == {"a": None, "c": "a", "b": "a", "first": None}[name]
    (added, _) = talk.ask("conversation.item.create", item={**HELLO, "id": "last"})
    assert added["previous_item_id"] == "c"


class Reader:
    """A transcriber that gives every span the same words at once."""

    name = "reader"

    def begin(self, start_ms, end_ms, asked):
        return lambda: Recognition(self.name, "two words")


def test_an_item_comes_back_with_its_transcript_once_that_is_completed_and_not_before():
    """Clients that show transcripts fetch the item when they are told that its transcription is completed."""
    talk = Talk(transcriber=Reader())
    talk.update(audio={"input": {"transcription": {"model": "gpt-4o-transcribe"}}})
    said = talk.say(20, loud=True) + talk.say(20, loud=False)
    (done,) = [event for event in only(said, "conversation.item.done") if event["item"]["role"] == "user"]
    item_id = done["item"]["id"]
    early = only(talk.ask("conversation.item.retrieve", item_id=item_id), "conversation.item.retrieved")
    assert early[0]["item"] == done["item"] and done["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    (completed,) = only(talk.wait(20_000), "conversation.item.input_audio_transcription.completed")
    (late,) = only(talk.ask("conversation.item.retrieve", item_id=item_id), "conversation.item.retrieved")
    assert completed["item_id"] == item_id and completed["transcript"] == "two words"
    assert late["item"] == {**done["item"], "content": [{"type": "input_audio", "transcript": "two words"}]}
    assert talk.in_order() == []


def test_a_transcript_that_comes_after_its_item_was_deleted_is_told_and_kept_nowhere():
    talk = Talk(transcriber=Reader())
    talk.update(audio={"input": {"transcription": {"model": "gpt-4o-transcribe"}}})
    said = talk.say(20, loud=True) + talk.say(20, loud=False)
    item_id = only(said, "input_audio_buffer.committed")[0]["item_id"]
    talk.ask("conversation.item.delete", item_id=item_id)
    assert only(talk.wait(20_000), "conversation.item.input_audio_transcription.completed")
    assert talk.error("conversation.item.retrieve", item_id=item_id)["code"] == "item_retrieve_invalid_item_id"


def test_an_id_is_taken_until_its_item_is_deleted():
    talk = Talk()
    talk.ask("conversation.item.create", item={**HELLO, "id": "mine"})
    error = talk.error("conversation.item.create", item={**HELLO, "id": "mine"}, event_id="e")
    assert (error["code"], error["param"], error["event_id"]) == ("item_create_duplicate_item_id", "item.id", "e")
    assert kinds(talk.ask("conversation.item.delete", item_id="mine")) == ["conversation.item.deleted"]
    assert talk.error("conversation.item.retrieve", item_id="mine")["code"] == "item_retrieve_invalid_item_id"
    assert kinds(talk.ask("conversation.item.create", item={**HELLO, "id": "mine"}))[0] == "conversation.item.added"
    assert talk.in_order() == []


def test_a_truncated_answer_keeps_what_was_heard_and_loses_its_text():
    talk = Talk()
    item_id, audio_ms = spoken(talk)
    (cut,) = talk.ask("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=520)
    assert (cut["type"], cut["item_id"], cut["audio_end_ms"]) == ("conversation.item.truncated", item_id, 520)
    (retrieved,) = talk.ask("conversation.item.retrieve", item_id=item_id)
    assert retrieved["item"]["content"][0]["transcript"] == ""
    (done,) = only(talk.respond(), "response.done")
    assert done["response"]["usage"]["input_token_details"]["audio_tokens"] == 11
    error = talk.error("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=audio_ms)
    assert error["code"] == "invalid_value" and "already shorter" in error["message"]


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"content_index": -1, "audio_end_ms": 0}, "integer_below_min_value", "content_index"),
        ({"content_index": 0, "audio_end_ms": -5}, "integer_below_min_value", "audio_end_ms"),
        ({"content_index": 4, "audio_end_ms": 0}, "invalid_value", "content_index"),
        ({"content_index": 0, "audio_end_ms": 10**12}, "invalid_value", "audio_end_ms"),
    ],
)
def test_a_truncation_that_cannot_be_is_refused_by_name(fields, code, param):
    talk = Talk()
    item_id, _ = spoken(talk)
    error = talk.error("conversation.item.truncate", item_id=item_id, event_id="t", **fields)
    assert (error["code"], error["param"], error["event_id"]) == (code, param, "t")


CANNOT = ("Only model output audio messages can be truncated", "unsupported_content_type", None)


def refused(talk, item_id):
    error = talk.error("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=0)
    return error["message"], error["code"], error["param"]


def test_what_is_no_audio_of_the_models_cannot_be_truncated():
    talk = Talk()
    spoken = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "yes"}]}
    for name, item in (("mine", HELLO), ("its", spoken)):
        talk.ask("conversation.item.create", item={**item, "id": name})
        assert refused(talk, name) == CANNOT


@pytest.mark.parametrize("cancelled", [False, True])
def test_an_answer_whose_audio_has_not_begun_cannot_be_truncated_though_its_words_have(cancelled):
    talk = Talk(profile_with(transcript_lead=LogNormal(400.0, 0.0)))
    talk.send("response.create")
    while not only(talk.events, "response.output_audio_transcript.delta"):
        talk.wait(5)
    (added,) = only(talk.events, "response.output_item.added")
    if cancelled:
        talk.ask("response.cancel")
    else:
        talk.send("conversation.item.truncate", item_id=added["item"]["id"], content_index=0, audio_end_ms=0)
        (event,) = only(talk.wait(15), "error")
        assert event["error"]["code"] == "unsupported_content_type"
        talk.send("response.cancel")
    talk.wait(10_000)
    assert only(talk.events, "response.output_audio.delta") == []
    assert refused(talk, added["item"]["id"]) == CANNOT


def test_a_response_whose_item_was_deleted_can_still_be_cancelled():
    talk = Talk()
    talk.send("response.create")
    while not only(talk.events, "response.output_audio.delta"):
        talk.wait(10)
    (added,) = only(talk.events, "response.output_item.added")
    talk.ask("conversation.item.delete", item_id=added["item"]["id"])
    (done,) = only(talk.ask("response.cancel"), "response.done")
    assert done["response"]["status"] == "cancelled"
    talk.wait(1_000)
    assert talk.error("conversation.item.retrieve", item_id=added["item"]["id"])["param"] == "item_id"


@pytest.mark.parametrize("bound", ["MAX_ITEMS", "MAX_ITEM_BYTES"])
def test_a_full_conversation_takes_no_more_items_until_one_goes(monkeypatch, bound):
    from realtime_lab.server.engine import conversation

    monkeypatch.setattr(conversation, bound, 3 if bound == "MAX_ITEMS" else 400)
    talk = Talk()
    taken = []
    for number in range(5):
        answer = talk.ask("conversation.item.create", item={**HELLO, "id": f"item_{number}"})
        if kinds(answer) == ["error"]:
            assert answer[0]["error"]["code"] == "conversation_full"
        else:
            taken.append(number)
    assert taken == list(range(len(taken))) and 1 < len(taken) < 5
    talk.ask("conversation.item.delete", item_id="item_0")
    assert kinds(talk.ask("conversation.item.create", item={**HELLO, "id": "again"}))[0] == "conversation.item.added"
