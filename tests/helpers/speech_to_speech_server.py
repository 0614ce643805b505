"""Run by a test in an environment of its own: the server of the speech-to-speech package, with fakes for its models.

    python speech_to_speech_server.py PORT

The package's own uvicorn application, session service and queues answer; detector, recogniser, language model and
voice, which want large models, are two fakes at their ends of the pipeline: one hears loudness, one says one sentence.
"""

import sys
import threading
from queue import Queue

import numpy as np
from speech_to_speech.api.openai_realtime.pipeline_unit import PipelineUnit
from speech_to_speech.api.openai_realtime.server import RealtimeServer
from speech_to_speech.api.openai_realtime.service import RealtimeService
from speech_to_speech.baseHandler import BaseHandler
from speech_to_speech.pipeline import events
from speech_to_speech.pipeline.cancel_scope import CancelScope
from speech_to_speech.pipeline.messages import AUDIO_RESPONSE_DONE, AudioOutput

CHUNK_MS = 32
PADDING_MS = 300
"""The protocol's default."""
LOUD = 1_000
"""A chunk whose loudest sample is louder is speech."""
SENTENCE = "One large pizza, coming up."
HEARD = "a large pizza please"
VOICE = (8_000 * np.sin(np.arange(16_000) * 0.1)).astype(np.int16)
"""One second at the pipeline's rate."""


class Ears(BaseHandler):
    """Detector and recogniser: (16 kHz chunk, session) in, the pipeline's input events out at the side."""

    def setup(self, out):
        self._out = out
        self.on_session_end()

    def on_session_end(self):
        self._chunks, self._quiet_ms, self._turn, self._open = 0, 0, 0, False

    def process(self, item):
        chunk, config = item
        self._chunks += 1
        detection = config.session.audio.input.turn_detection
        silence_ms = getattr(detection, "silence_duration_ms", None) or 500
        if np.abs(np.frombuffer(chunk, "<i2").astype(int)).max() >= LOUD:
            if not self._open:
                self._open, self._turn = True, self._turn + 1
                start_ms = max(0, (self._chunks - 1) * CHUNK_MS - PADDING_MS)
                self._say(events.SpeechStartedEvent, audio_start_ms=start_ms)
            self._quiet_ms = 0
        elif self._open:
            self._quiet_ms += CHUNK_MS
            if self._quiet_ms >= silence_ms:
                self._open = False
                self._say(events.SpeechStoppedEvent, duration_s=1.0, audio_end_ms=self._chunks * CHUNK_MS)
                self._say(events.TranscriptionCompletedEvent, transcript=HEARD, language_code="en")
        return iter(())

    def _say(self, kind, **fields):
        self._out.put(kind(turn_id=f"turn_{self._turn}", turn_revision=0, **fields))


class Mouth(BaseHandler):
    """Language model and voice: a request in, one sentence out, in words and, unless text was asked for, in sound."""

    def setup(self, scope):
        self._scope = scope

    def process(self, request):
        same = {
            "response_key": request.response_key,
            "turn_id": request.turn_id,
            "turn_revision": request.turn_revision,
            "cancel_generation": self._scope.generation,
        }
        yield events.TokenUsageEvent(input_tokens=20, output_tokens=7, **same)
        yield events.AssistantOutputEvent(text=SENTENCE, output_sequence=0, **same)
        tag = {"cancel_generation": same["cancel_generation"], "response_key": request.response_key}
        asked = request.response.output_modalities if request.response is not None else None
        if asked != ["text"]:
            for start in range(0, len(VOICE), 1_601):
                yield AudioOutput(audio=VOICE[start : start + 1_601], **tag)
        yield events.AssistantResponseDoneEvent(**same)
        yield AudioOutput(audio=AUDIO_RESPONSE_DONE, **tag)


def main(port):
    heard, side, prompts, out = Queue(), Queue(), Queue(), Queue()
    stop, listen, scope = threading.Event(), threading.Event(), CancelScope()
    listen.set()
    handlers = [
        Ears(stop, heard, prompts, setup_args=(side,)),
        Mouth(stop, prompts, out, setup_args=(scope,)),
    ]
    unit = PipelineUnit(
        index=0,
        service=RealtimeService(prompts, listen),
        cancel_scope=scope,
        should_listen=listen,
        response_playing=threading.Event(),
        input_queue=heard,
        output_queue=out,
        text_output_queue=side,
        text_prompt_queue=prompts,
        handlers=handlers,
    )
    for handler in handlers:
        threading.Thread(target=handler.run, daemon=True).start()
    RealtimeServer(stop, [unit], host="127.0.0.1", port=port).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
