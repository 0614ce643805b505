"""Run by a test in an environment of its own: openai-agents holds a voice turn and a typed turn with a server.

python agents_client.py BASE_URL PCM_FILE
"""

import asyncio
import json
import sys

from agents import set_tracing_disabled
from agents.realtime import RealtimeAgent, RealtimeRunner

AUDIO = {
    "input": {
        "format": "pcm16",
        "transcription": {"model": "gpt-4o-transcribe"},
        "turn_detection": {"type": "server_vad", "silence_duration_ms": 500, "interrupt_response": True},
    },
    "output": {"format": "pcm16", "voice": "alloy"},
}


async def hold(url, pcm):
    set_tracing_disabled(True)
    agent = RealtimeAgent(name="clerk", instructions="Take the order.")
    runner = RealtimeRunner(agent, config={"model_settings": {"model_name": "gpt-realtime", "audio": AUDIO}})
    where = {"api_key": "unused", "url": url.replace("http", "ws", 1) + "/realtime?model=gpt-realtime"}
    seen = {"audio_bytes": 0, "ends": 0, "heard": [], "said": [], "errors": []}
    async with await runner.run(model_config=where) as session:

        async def until(ends, heard):
            async for event in session:
                take(event, seen)
                if seen["ends"] >= ends and len(seen["heard"]) >= heard:
                    return

        for start in range(0, len(pcm), 4800):
            await session.send_audio(pcm[start : start + 4800])
        await until(1, 1)
        await session.send_message("And a coffee, please.")
        await until(2, 1)
    return seen


def take(event, seen):
    if event.type == "audio":
        seen["audio_bytes"] += len(event.audio.data)
    elif event.type == "agent_end":
        seen["ends"] += 1
    elif event.type == "error":
        seen["errors"].append(str(event.error)[:300])
    elif event.type == "raw_model_event" and event.data.type == "input_audio_transcription_completed":
        seen["heard"].append(event.data.transcript)
    elif event.type == "raw_model_event" and event.data.type == "transcript_delta":
        seen["said"].append(event.data.delta)


if __name__ == "__main__":
    with open(sys.argv[2], "rb") as file:
        print(json.dumps(asyncio.run(asyncio.wait_for(hold(sys.argv[1], file.read()), 40))))
