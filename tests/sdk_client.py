"""Run by the tests in an environment of its own: the openai SDK holds a voice turn and a text turn with a server.

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


async def until(connection, seen, last):
    while True:
        raw = await connection.recv_bytes()
        kind = json.loads(raw)["type"]
        seen.append([kind, problem_in(raw)])
        if kind == last:
            return


async def hold(url, pcm):
    client = AsyncOpenAI(base_url=url, api_key="unused")
    secret = await client.realtime.client_secrets.create(session={"type": "realtime", "model": "gpt-realtime"})
    seen = []
    async with client.realtime.connect(model="gpt-realtime") as connection:
        await connection.session.update(session={"type": "realtime", "audio": {"input": INPUT}})
        await until(connection, seen, "session.updated")
        for start in range(0, len(pcm), 9600):
            await connection.input_audio_buffer.append(audio=base64.b64encode(pcm[start : start + 9600]).decode())
        await until(connection, seen, "response.done")
        await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        content = [{"type": "input_text", "text": "hello"}]
        await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
        await connection.response.create()
        await until(connection, seen, "response.done")
        await connection.send({"type": "conversation.item.retrieve", "item_id": "nobody"})
        await until(connection, seen, "error")
    return {"secret": secret.value[:3], "session": secret.session.type, "events": seen}


if __name__ == "__main__":
    with open(sys.argv[2], "rb") as file:
        print(json.dumps(asyncio.run(hold(sys.argv[1], file.read()))))
