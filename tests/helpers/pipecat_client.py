"""Run by a test in an environment of its own: a pipecat pipeline holds a voice turn with a server.

python pipecat_client.py BASE_URL PCM_FILE
"""

import asyncio
import json
import sys

from pipecat.frames import frames
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.openai.realtime import events
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.workers.runner import WorkerRunner

FRAME = 2400
"""100 ms of 24 kHz."""
INPUT = events.AudioInput(
    transcription=events.InputAudioTranscription(model="gpt-4o-transcribe"),
    turn_detection=events.TurnDetection(silence_duration_ms=500),
)


class Watch(FrameProcessor):
    """Looks at what passes."""

    def __init__(self, seen, over):
        super().__init__()
        self._seen, self._over = seen, over

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        seen = self._seen
        if isinstance(frame, frames.TTSAudioRawFrame):
            seen["audio_bytes"] += len(frame.audio)
        elif isinstance(frame, frames.TTSTextFrame):
            seen["said"].append(frame.text)
        elif isinstance(frame, frames.TranscriptionFrame):
            seen["heard"].append(frame.text)
        elif isinstance(frame, frames.LLMFullResponseEndFrame):
            seen["ends"] += 1
        elif isinstance(frame, frames.ErrorFrame):
            seen["errors"].append(str(frame.error)[:300])
        if (seen["ends"] and seen["heard"]) or seen["errors"]:
            self._over.set()
        await self.push_frame(frame, direction)


async def hold(url, pcm):
    seen = {"audio_bytes": 0, "ends": 0, "heard": [], "said": [], "errors": []}
    over, ready = asyncio.Event(), asyncio.Event()
    properties = events.SessionProperties(audio=events.AudioConfiguration(input=INPUT))
    service = OpenAIRealtimeLLMService(
        api_key="unused",
        base_url=url.replace("http", "ws", 1) + "/realtime",
        settings=OpenAIRealtimeLLMService.Settings(model="gpt-realtime", session_properties=properties),
    )
    pipeline = Pipeline([Watch(seen, over), service, Watch(seen, over)])
    rates = PipelineParams(audio_in_sample_rate=24_000, audio_out_sample_rate=24_000)
    worker = PipelineWorker(pipeline, params=rates, idle_timeout_secs=None)

    @worker.event_handler("on_pipeline_started")
    async def on_started(*_):
        ready.set()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await ready.wait()
    for start in range(0, len(pcm), 2 * FRAME):
        frame = frames.InputAudioRawFrame(audio=pcm[start : start + 2 * FRAME], sample_rate=24_000, num_channels=1)
        await worker.queue_frame(frame, FrameDirection.DOWNSTREAM)
        await asyncio.sleep(0.02)
    await over.wait()
    await worker.cancel()
    await running
    return seen


if __name__ == "__main__":
    with open(sys.argv[2], "rb") as file:
        print(json.dumps(asyncio.run(asyncio.wait_for(hold(sys.argv[1], file.read()), 40))))
