"""Responses: tools, options, cancelling, usage, limits; and the end of a session."""

import json

import pytest
from engine_talk import Talk, kinds, only, profile_with

WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {
        "type": "object",
        "required": ["city", "days", "unit"],
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer", "minimum": 1, "maximum": 3},
            "unit": {"enum": ["C", "F"]},
            "at": {"type": "array", "items": {"type": "number"}},
        },
    },
}
CLOCK = {"type": "function", "name": "clock"}
HELLO = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello there"}]}


def done(events):
    (event,) = only(events, "response.done")
    return event["response"]


def test_a_required_call_streams_its_arguments_and_ends_with_a_function_call_item():
    talk = Talk()
    talk.update(tools=[WEATHER], tool_choice="required")
    events = talk.respond()
    assert kinds(events) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        *["response.function_call_arguments.delta"] * len(only(events, "response.function_call_arguments.delta")),
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    streamed = "".join(event["delta"] for event in only(events, "response.function_call_arguments.delta"))
    (finished,) = only(events, "response.function_call_arguments.done")
    (item,) = done(events)["output"]
    assert streamed == finished["arguments"] == item["arguments"]
    assert item["type"] == "function_call" and item["name"] == finished["name"] == "weather"
    assert item["call_id"] == finished["call_id"] and item["status"] == "completed"
    given = json.loads(streamed)
    assert isinstance(given["city"], str) and given["days"] in (1, 2, 3) and given["unit"] in ("C", "F")
    assert done(events)["usage"]["output_token_details"] == {
        "text_tokens": done(events)["usage"]["output_tokens"],
        "audio_tokens": 0,
    }
    assert talk.in_order() == []


def test_arguments_follow_the_seed():
    def arguments(seed):
        talk = Talk(seed=seed)
        talk.update(tools=[WEATHER], tool_choice="required")
        return done(talk.respond())["output"][0]["arguments"]

    assert arguments(1) == arguments(1)
    assert len({arguments(seed) for seed in range(8)}) > 1


def test_a_named_function_is_the_one_called():
    talk = Talk()
    talk.update(tools=[WEATHER, CLOCK], tool_choice={"type": "function", "name": "clock"})
    assert [done(talk.respond())["output"][0]["name"] for _ in range(3)] == ["clock"] * 3


def test_auto_calls_at_the_profiles_rate_and_none_never():
    def calls(choice):
        talk = Talk(profile_with(tool_call_rate=0.3, session_life_s=86_400))
        talk.update(tools=[WEATHER], tool_choice=choice, output_modalities=["text"])
        return sum(done(talk.respond())["output"][0]["type"] == "function_call" for _ in range(200))

    assert 40 <= calls("auto") <= 80
    assert calls("none") == 0


def test_after_the_functions_output_the_model_goes_on_in_words():
    talk = Talk(profile_with(tool_call_rate=1.0))
    talk.update(tools=[WEATHER])
    (call,) = done(talk.respond())["output"]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
    assert kinds(talk.ask("conversation.item.create", item=output)) == [
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert done(talk.respond())["output"][0]["type"] == "message"
    assert talk.in_order() == []


def test_an_output_for_a_call_nobody_made_is_refused():
    item = {"type": "function_call_output", "call_id": "call_x", "output": "sunny"}
    error = Talk().error("conversation.item.create", item=item, event_id="mine")
    assert (error["code"], error["param"], error["event_id"]) == ("invalid_tool_call_id", "item.call_id", "mine")


def test_a_call_over_the_token_limit_ends_incomplete():
    talk = Talk()
    talk.update(tools=[WEATHER], tool_choice="required", max_output_tokens=4)
    response = done(talk.respond())
    assert (response["status"], response["status_details"]["reason"]) == ("incomplete", "max_output_tokens")
    assert response["usage"]["output_tokens"] == 4 and response["output"][0]["status"] == "incomplete"


def test_hostile_schemas_give_arguments_all_the_same():
    endless: dict = {"type": "object", "properties": {}}
    endless["properties"] = {"again": {"type": "object", "properties": {"more": {"$ref": "#"}}}}
    odd = [
        {"type": "object", "properties": []},
        {"type": ["string", "null"]},
        {"type": "object", "required": "x", "properties": {"a": {"type": "integer", "minimum": 1e300}}},
        {"type": "object", "required": ["a"], "properties": {"a": {"enum": []}}},
        {"anyOf": [{"type": "object", "properties": {"a": 3}}]},
        endless,
        {},
    ]
    for schema in odd:
        talk = Talk()
        talk.update(tools=[{**CLOCK, "parameters": schema}], tool_choice="required")
        assert isinstance(json.loads(done(talk.respond())["output"][0]["arguments"]), dict)


def test_a_choice_of_a_function_that_is_not_there_is_refused_by_name():
    talk = Talk()
    answer = talk.update(tools=[CLOCK], tool_choice={"type": "function", "name": "weather"})
    assert (answer["error"]["code"], answer["error"]["param"]) == ("invalid_value", "session.tool_choice.name")
    error = talk.error("response.create", response={"tool_choice": {"type": "function", "name": "weather"}})
    assert error["param"] == "response.tool_choice.name"


def test_remote_tools_are_refused_by_name():
    remote = {"type": "mcp", "server_label": "files", "server_url": "https://example.com"}
    talk = Talk()
    error = talk.update(tools=[CLOCK, remote])["error"]
    assert (error["code"], error["param"]) == ("unsupported_value", "session.tools[1].type")
    assert talk.error("response.create", response={"tools": [remote]})["param"] == "response.tools[0].type"


# --- options of one response ----------------------------------------------------------------------------------------


def test_one_responses_options_override_the_sessions_and_leave_it_alone():
    talk = Talk()
    before = talk.engine.session()
    asked = {
        "output_modalities": ["text"],
        "max_output_tokens": 5,
        "metadata": {"topic": "a"},
        "instructions": "x" * 400,
    }
    response = done(talk.respond(**asked))
    assert response["output_modalities"] == ["text"] and response["metadata"] == {"topic": "a"}
    assert response["usage"]["output_tokens"] == 5 and response["usage"]["input_tokens"] == 104
    assert done(talk.respond())["output_modalities"] == ["audio"]
    assert talk.engine.session() == before


def test_a_response_outside_the_conversation_leaves_no_item_and_may_run_beside_another():
    talk = Talk()
    talk.send("response.create")
    talk.send("response.create", response={"conversation": "none", "output_modalities": ["text"]})
    events = talk.wait(60_000)
    assert kinds(events).count("response.done") == 2 and "error" not in kinds(events)
    aside = next(e["response"] for e in only(events, "response.done") if e["response"]["conversation_id"] is None)
    assert aside["output"][0]["id"] not in [e["item"]["id"] for e in only(events, "conversation.item.added")]
    assert talk.error("conversation.item.retrieve", item_id=aside["output"][0]["id"])["param"] == "item_id"
    assert talk.in_order() == []


def test_input_stands_in_for_the_conversation():
    talk = Talk()
    talk.ask("conversation.item.create", item={**HELLO, "id": "known"})
    talk.ask("conversation.item.create", item={**HELLO, "content": [{"type": "input_text", "text": "y" * 4000}]})
    given = [{"type": "item_reference", "id": "known"}, HELLO]
    usage = done(talk.respond(input=given, conversation="none"))["usage"]
    assert usage["input_tokens"] == 2 * (3 + 4) and usage["input_token_details"]["cached_tokens"] == 0


@pytest.mark.parametrize(
    ("response", "code", "param"),
    [
        ({"colour": 1}, "unknown_parameter", "response.colour"),
        ({"max_output_tokens": 0}, "integer_below_min_value", "response.max_output_tokens"),
        ({"max_output_tokens": "many"}, "invalid_type", "response.max_output_tokens"),
        ({"output_modalities": ["text", "audio"]}, "invalid_value", "response.output_modalities"),
        ({"conversation": "other"}, "invalid_value", "response.conversation"),
        ({"conversation": 3}, "invalid_type", "response.conversation"),
        ({"metadata": {"a": 1}}, "invalid_type", "response.metadata"),
        ({"metadata": {str(n): "" for n in range(17)}}, "invalid_value", "response.metadata"),
        ({"input": {}}, "invalid_type", "response.input"),
        ({"input": [3]}, "invalid_type", "response.input[0]"),
        ({"input": [{"type": "item_reference", "id": "nobody"}]}, "invalid_value", "response.input[0].id"),
        ({"input": [{"type": "message", "role": "user"}]}, "missing_required_parameter", "response.input[0].content"),
        ({"max_output_tokens": 9999}, "integer_above_max_value", "response.max_output_tokens"),
        ({"audio": {"output": {"speed": 0.1}}}, "decimal_below_min_value", "response.audio.output.speed"),
        ({"audio": {"output": {"speed": 9}}}, "decimal_above_max_value", "response.audio.output.speed"),
        (
            {"audio": {"output": {"format": {"type": "audio/pcmu"}}}},
            "unsupported_value",
            "response.audio.output.format",
        ),
    ],
)
def test_a_mistake_in_a_responses_options_is_refused_by_name(response, code, param):
    error = Talk().error("response.create", response=response, event_id="mine")
    assert (error["code"], error["param"], error["event_id"]) == (code, param, "mine")


def test_a_second_response_while_one_is_active_is_refused():
    talk = Talk()
    talk.send("response.create")
    talk.send("response.create", event_id="second")
    error = only(talk.wait(15), "error")[0]["error"]
    assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", "second")


def test_speed_shortens_the_audio_of_later_responses():
    def audio_tokens(speed):
        talk = Talk()
        talk.update(audio={"output": {"speed": speed}})
        return done(talk.respond())["usage"]["output_token_details"]["audio_tokens"]

    assert audio_tokens(1.5) < audio_tokens(1.0) < audio_tokens(0.5)


def test_a_spoken_answer_comes_in_the_order_of_recorded_sessions_its_words_ahead_of_its_audio():
    talk = Talk()
    talk.wait(20)
    events = talk.respond()
    told = [kind for kind in kinds(events) if not kind.endswith("delta")]
    assert told == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    deltas = [kind for kind in kinds(events) if kind.endswith("delta")]
    assert deltas[:4] == ["response.output_audio_transcript.delta"] * 3 + ["response.output_audio.delta"]
    words, sounds = only(events, "response.output_audio_transcript.delta"), only(events, "response.output_audio.delta")
    ended = done(events)
    assert "".join(word["delta"] for word in words) == ended["output"][0]["content"][0]["transcript"]
    assert all(len(word["delta"] + word["obfuscation"]) % 16 == 0 for word in words)
    used = ended["usage"]["output_token_details"]
    assert used == {"text_tokens": round(6.5 + 1.37 * len(words)), "audio_tokens": used["audio_tokens"]}
    assert used["audio_tokens"] * 50 == sum(sound["delta"]["samples"] for sound in sounds) / 24
    assert sounds[1]["at_ms"] - sounds[0]["at_ms"] == pytest.approx(250 / 11.8)
    assert not {"object", "phase"} & ended["output"][0].keys()


@pytest.mark.parametrize("model", ["gpt-realtime-2.1", "gpt-realtime-2", "gpt-realtime-2.1-mini-2026-09-01"])
def test_a_model_that_reasons_is_billed_for_it_within_its_text_and_says_its_phase(model):
    talk = Talk(model=model)
    events = talk.respond()
    used, words = done(events)["usage"], only(events, "response.output_audio_transcript.delta")
    spoken = used["output_token_details"]
    assert spoken["text_tokens"] - spoken["reasoning_tokens"] == round(6.5 + 1.37 * len(words))
    assert used["output_tokens"] == spoken["text_tokens"] + spoken["audio_tokens"] and spoken["reasoning_tokens"] > 0
    assert only(events, "response.output_item.done")[0]["item"]["phase"] == "final_answer"
    assert done(talk.respond())["usage"]["input_token_details"]["text_tokens"] == spoken["text_tokens"] - (
        spoken["reasoning_tokens"] - 4
    )
    short = done(talk.respond(max_output_tokens=3))["usage"]["output_token_details"]
    assert short == {"text_tokens": 3, "audio_tokens": 0, "reasoning_tokens": 3}


@pytest.mark.parametrize("model", ["gpt-realtime", "gpt-realtime-2025-08-28", "gpt-realtime-1.5", "my-deployment"])
def test_other_models_are_billed_for_no_reasoning(model):
    assert "reasoning_tokens" not in done(Talk(model=model).respond())["usage"]["output_token_details"]


# --- cancelling -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [False, True])
def test_a_cancelled_response_ends_with_what_was_given_of_it(named):
    talk = Talk()
    talk.send("response.create")
    while len(only(talk.events, "response.output_audio.delta")) < 3:
        talk.wait(10)
    (created,) = only(talk.events, "response.created")
    events = talk.ask("response.cancel", **({"response_id": created["response"]["id"]} if named else {}))
    response = done(events)
    assert (response["status"], response["status_details"]["reason"]) == ("cancelled", "client_cancelled")
    heard = "".join(event["delta"] for event in only(talk.events, "response.output_audio_transcript.delta"))
    pieces = only(talk.events, "response.output_audio.delta")
    assert heard and response["output"][0]["content"][0]["transcript"] == heard
    audio_ms = sum(event["delta"]["samples"] for event in pieces) / 24
    assert response["usage"]["output_token_details"]["audio_tokens"] == audio_ms / 50
    talk.wait(60_000)
    assert kinds(talk.events)[-2:] == ["response.done", "rate_limits.updated"] and talk.in_order() == []


def test_a_response_cancelled_before_it_was_announced_still_ends_for_who_asked():
    talk = Talk()
    talk.wait(20)
    talk.send("response.create")
    talk.send("response.cancel")
    assert kinds(talk.wait(60_000)) == ["response.created", "response.done", "rate_limits.updated"]


def test_an_aside_is_cancelled_by_its_id_only():
    talk = Talk()
    talk.send("response.create", response={"conversation": "none"})
    talk.wait(900)
    (created,) = only(talk.events, "response.created")
    assert talk.error("response.cancel")["code"] == "response_cancel_not_active"
    events = talk.ask("response.cancel", response_id=created["response"]["id"])
    assert done(events)["status"] == "cancelled"


def test_cancelling_what_is_not_active_is_refused():
    talk = Talk()
    error = talk.error("response.cancel", event_id="e1")
    assert (error["code"], error["param"], error["event_id"]) == ("response_cancel_not_active", None, "e1")
    talk.respond()
    assert talk.error("response.cancel", response_id="resp_other")["param"] == "response_id"


# --- usage and limits -----------------------------------------------------------------------------------------------


def test_what_was_input_before_is_cached_in_whole_blocks_until_an_item_before_it_changes():
    talk = Talk()
    talk.update(output_modalities=["text"])
    talk.ask(
        "conversation.item.create", item={**HELLO, "id": "long", "content": [{"type": "input_text", "text": "w" * 800}]}
    )
    first, second = (done(talk.respond())["usage"]["input_token_details"] for _ in range(2))
    assert (first["cached_tokens"], second["cached_tokens"]) == (0, 192)
    assert second["cached_tokens"] == sum(second["cached_tokens_details"].values()) <= second["text_tokens"]
    talk.ask("conversation.item.delete", item_id="long")
    assert done(talk.respond())["usage"]["input_token_details"]["cached_tokens"] == 0


def test_what_was_answered_before_is_cached_too_but_no_answer_beside_the_conversation():
    """As in the one recorded session with any: 63 tokens in, 22 out, and then 64 of 103 are cached."""
    talk = Talk()
    talk.update(output_modalities=["text"])
    text = [{"type": "input_text", "text": "w" * 4 * 60}]
    talk.ask("conversation.item.create", item={**HELLO, "content": text})
    first = done(talk.respond(conversation="none", max_output_tokens=8))["usage"]
    assert (first["input_tokens"], first["output_tokens"]) == (64, 8)
    second, third = (done(talk.respond(max_output_tokens=70))["usage"] for _ in range(2))
    assert second["input_token_details"]["cached_tokens"] == 0
    assert second["input_tokens"] == 64 and third["input_tokens"] == 64 + second["output_tokens"] + 4
    assert third["input_token_details"]["cached_tokens"] == (64 + second["output_tokens"]) // 64 * 64
    assert third["input_token_details"]["cached_tokens_details"] == {
        "text_tokens": third["input_token_details"]["cached_tokens"],
        "audio_tokens": 0,
        "image_tokens": 0,
    }


def test_rate_limits_are_told_after_each_response_and_recover_with_time():
    talk = Talk(profile_with(tokens_per_minute=1_000))
    events = talk.respond() + talk.respond()
    reports = only(events, "rate_limits.updated")
    assert [row["name"] for row in reports[0]["rate_limits"]] == ["requests", "tokens"]
    tokens = [row["rate_limits"][1] for row in reports]
    assert all(0 < row["remaining"] < row["limit"] == 1_000 and row["reset_seconds"] > 0 for row in tokens)
    told_ms = [
        report["at_ms"] - end["at_ms"] for report, end in zip(reports, only(events, "response.done"), strict=True)
    ]
    assert told_ms == [31.0, 31.0]


def test_over_the_rate_limit_a_response_fails_with_nothing_used():
    talk = Talk(profile_with(requests_per_minute=1))
    talk.send("response.create", response={"conversation": "none"})
    talk.send("response.create", response={"conversation": "none"})
    events = talk.wait(5000)
    failed = next(e["response"] for e in only(events, "response.done") if e["response"]["status"] == "failed")
    assert failed["status_details"]["error"]["code"] == "rate_limit_exceeded" and failed["usage"]["total_tokens"] == 0
    talk.wait(60_000)
    assert done(talk.respond())["status"] == "completed"
    assert talk.in_order() == []


def test_without_quota_every_response_fails():
    talk = Talk(profile_with(quota_tokens=1))
    assert done(talk.respond())["status"] == "completed"
    assert done(talk.respond())["status_details"]["error"]["code"] == "insufficient_quota"


def test_a_model_that_is_not_there_is_turned_away():
    talk = Talk(profile_with(models=("gpt-realtime",)), model="gpt-unreal")
    (event,) = talk.wait(100)
    assert (event["error"]["code"], event["error"]["param"]) == ("model_not_found", "model")
    assert talk.engine.closing.code == 4004
    assert Talk(profile_with(models=("gpt-realtime",)), model="gpt-realtime").wait(50)[0]["type"] == "session.created"


def test_a_session_expires_with_an_error_and_says_nothing_more():
    talk = Talk(profile_with(session_life_s=2))
    assert talk.engine.session()["expires_at"] == 2
    talk.wait(500)
    talk.send("response.create")
    events = talk.wait(5_000)
    assert events[-1]["error"]["code"] == "session_expired" and events[-1]["at_ms"] == 2010
    assert tuple(talk.engine.closing) == (1001, "session_expired")
    talk.send("response.create")
    assert talk.wait(5_000) == [] and talk.engine.next_due_ms() is None
