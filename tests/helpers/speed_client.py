"""Run by a test in an environment of its own: how late the openai SDK tells of events, sessions in one gather.

python speed_client.py BASE_URL PCM_FILE SESSIONS

Each session appends the audio in 20 ms frames at absolute deadlines and reads until its response is done. Prints, as
JSON, how much later than the times the server planted each event was had, ms, and the CPU time for each event.
"""

import asyncio
import base64
import json
import sys
import time

from openai import AsyncOpenAI

MARK = "event_ns_"
FRAME_BYTES = 960
INPUT = {"turn_detection": {"type": "server_vad", "silence_duration_ms": 500}}


async def speak(connection, pcm, began_s):
    for number, start in enumerate(range(0, len(pcm), FRAME_BYTES)):
        await asyncio.sleep(max(0.0, began_s + (number + 1) * 0.02 - time.monotonic()))
        await connection.input_audio_buffer.append(audio=base64.b64encode(pcm[start : start + FRAME_BYTES]).decode())


async def hold(client, pcm, wait_s):
    await asyncio.sleep(wait_s)
    late = []
    async with client.realtime.connect(model="gpt-realtime") as connection:
        await connection.session.update(session={"type": "realtime", "audio": {"input": INPUT}})
        speaking = None
        async for event in connection:
            now_ns = time.monotonic_ns()
            if speaking is not None and event.event_id.startswith(MARK):
                late.append((now_ns - int(event.event_id.removeprefix(MARK))) / 1e6)
            if event.type == "session.updated":
                speaking = asyncio.create_task(speak(connection, pcm, time.monotonic()))
            elif event.type == "response.done":
                speaking.cancel()
                return late


async def main(url, pcm, sessions):
    client = AsyncOpenAI(base_url=url, api_key="unused")
    before_s = time.process_time()
    held = await asyncio.gather(*(hold(client, pcm, number * 0.0137) for number in range(sessions)))
    late = [ms for each in held for ms in each]
    frames = sessions * len(pcm) // FRAME_BYTES
    return {"late_ms": late, "cpu_us": (time.process_time() - before_s) * 1e6 / (len(late) + frames)}


if __name__ == "__main__":
    with open(sys.argv[2], "rb") as file:
        print(json.dumps(asyncio.run(main(sys.argv[1], file.read(), int(sys.argv[3])))))
