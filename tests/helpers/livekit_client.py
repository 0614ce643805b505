"""Run by a test in an environment of its own: livekit-plugins-openai holds a voice turn and a typed turn.

python livekit_client.py BASE_URL PCM_FILE
"""

import asyncio
import json
import sys

from livekit import rtc
from livekit.agents import utils
from livekit.plugins.openai.realtime import RealtimeModel
from openai.types.realtime import AudioTranscription
from openai.types.realtime.realtime_audio_input_turn_detection import ServerVad

FRAME = 2400
"""100 ms of 24 kHz."""


async def hold(url, pcm):
    async with utils.http_context.open():
        model = RealtimeModel(
            base_url=url,
            api_key="unused",
            model="gpt-realtime",
            input_audio_transcription=AudioTranscription(model="gpt-4o-transcribe"),
            turn_detection=ServerVad(type="server_vad", create_response=True, interrupt_response=True),
        )
        session = model.session()
        seen = {"audio_bytes": 0, "said": "", "heard": [], "speech": [], "received": 0, "errors": [], "tokens": []}
        generations = asyncio.Queue()
        heard = asyncio.Event()
        listen(session, seen, generations, heard)
        for start in range(0, len(pcm), 2 * FRAME):
            piece = pcm[start : start + 2 * FRAME]
            session.push_audio(rtc.AudioFrame(piece, 24_000, 1, len(piece) // 2))
            await asyncio.sleep(0.005)
        await take(await generations.get(), seen)
        await heard.wait()
        session.generate_reply(instructions="Repeat the order.")
        await take(await generations.get(), seen)
        await session.aclose()
    return seen


def listen(session, seen, generations, heard):
    def on_transcript(event):
        if event.is_final:
            seen["heard"].append(event.transcript)
            heard.set()

    def on_received(event):
        seen["received"] += 1

    session.on("generation_created", generations.put_nowait)
    session.on("input_audio_transcription_completed", on_transcript)
    session.on("input_speech_started", lambda event: seen["speech"].append("started"))
    session.on("input_speech_stopped", lambda event: seen["speech"].append("stopped"))
    session.on("openai_server_event_received", on_received)
    session.on("error", lambda event: seen["errors"].append(str(event)[:300]))
    session.on("metrics_collected", lambda metrics: seen["tokens"].append(getattr(metrics, "total_tokens", 0)))


async def take(generation, seen):
    async for message in generation.message_stream:
        async for frame in message.audio_stream:
            seen["audio_bytes"] += 2 * frame.samples_per_channel
        async for text in message.text_stream:
            seen["said"] += str(text)
    async for _ in generation.function_stream:
        pass


if __name__ == "__main__":
    with open(sys.argv[2], "rb") as file:
        print(json.dumps(asyncio.run(asyncio.wait_for(hold(sys.argv[1], file.read()), 40))))
