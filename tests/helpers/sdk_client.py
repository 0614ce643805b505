"""Run by the tests in an environment of its own: the openai SDK holds a voice, a text and a tool turn with a server.

    python sdk_client.py BASE_URL PCM_FILE

Every event is put through the SDK's own strict union; prints what it saw as JSON.
"""

import asyncio
import base64
import json
import sys

from openai import AsyncOpenAI
from strict_events import problem_in

DETECTION = {"type": "server_vad", "silence_duration_ms": 300}
INPUT = {"transcription": {"model": "gpt-4o-transcribe"}, "turn_detection": DETECTION}
HEARD = "conversation.item.input_audio_transcription.completed"
TOOL = {
    "type": "function",
    "name": "order_pizza",
    "description": "Order a pizza.",
    "parameters": {
        "type": "object",
        "properties": {"size": {"type": "string", "enum": ["small", "large"]}},
        "required": ["size"],
    },
}


async def until(connection, seen, *awaited):
    """Receive until one of each has come; the first of them."""
    came = {}
    while not came.keys() >= set(awaited):
        raw = await connection.recv_bytes()
        event = json.loads(raw)
        seen.append([event["type"], problem_in(raw)])
        came.setdefault(event["type"], event)
    return came[awaited[0]]


async def ask_for_items(connection, seen, item_id):
    """What a client may do to an item, and to the audio buffer."""
    await connection.conversation.item.retrieve(item_id=item_id)
    await until(connection, seen, "conversation.item.retrieved")
    await connection.conversation.item.truncate(item_id=item_id, content_index=0, audio_end_ms=100)
    await until(connection, seen, "conversation.item.truncated")
    await connection.conversation.item.delete(item_id=item_id)
    await until(connection, seen, "conversation.item.deleted")
    await connection.input_audio_buffer.clear()
    await until(connection, seen, "input_audio_buffer.cleared")


async def call_a_tool(connection, seen):
    """The arguments of the call, after the model has had the tool's output."""
    await connection.session.update(session={"type": "realtime", "tools": [TOOL], "tool_choice": "required"})
    await connection.response.create()
    done = await until(connection, seen, "response.done")
    (call,) = done["response"]["output"]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "ordered"}
    await connection.conversation.item.create(item=output)
    await connection.response.create(response={"tool_choice": "none"})
    await until(connection, seen, "response.done")
    return call["arguments"]


async def hold(url, pcm):
    client = AsyncOpenAI(base_url=url, api_key="unused")
    secret = await client.realtime.client_secrets.create(session={"type": "realtime", "model": "gpt-realtime"})
    seen = []
    async with client.realtime.connect(model="gpt-realtime") as connection:
        asked = {"type": "realtime", "audio": {"input": INPUT}, "include": ["item.input_audio_transcription.logprobs"]}
        await connection.session.update(session=asked)
        await until(connection, seen, "session.updated")
        for start in range(0, len(pcm), 9600):
            await connection.input_audio_buffer.append(audio=base64.b64encode(pcm[start : start + 9600]).decode())
        done = await until(connection, seen, "response.done", HEARD)
        await ask_for_items(connection, seen, done["response"]["output"][0]["id"])
        await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        content = [{"type": "input_text", "text": "hello"}]
        await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
        await connection.response.create()
        await until(connection, seen, "response.done")
        arguments = await call_a_tool(connection, seen)
        await connection.send({"type": "conversation.item.retrieve", "item_id": "nobody"})
        await until(connection, seen, "error")
    return {"secret": secret.value[:3], "session": secret.session.type, "events": seen, "arguments": arguments}


if __name__ == "__main__":
    with open(sys.argv[2], "rb") as file:
        print(json.dumps(asyncio.run(hold(sys.argv[1], file.read()))))
