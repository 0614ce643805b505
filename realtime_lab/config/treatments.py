"""How the mocked server treats each field: modelled, approximated or ignored, with the reason in one line."""

from __future__ import annotations

from typing import Literal, NamedTuple

Treatment = Literal["modelled", "approximated", "ignored"]


class Treated(NamedTuple):
    """How the mocked server treats a field, and why."""

    treatment: Treatment
    reason: str


def _modelled(reason: str) -> Treated:
    return Treated("modelled", reason)


def _approximated(reason: str) -> Treated:
    return Treated("approximated", reason)


def _ignored(reason: str) -> Treated:
    return Treated("ignored", reason)


_FORMAT = _modelled("audio is decoded from and encoded to this format, losses included")
_RECOGNISER = _ignored(
    "one recogniser stands in for every model; a name decides usage, deltas, their delay and who gives logprobs"
)
_LISTS = _ignored("the recogniser takes one language and a prompt, no lists")
_TOOLS = _approximated("functions are called at a stated rate, with arguments drawn from their schemas")
_TRACING = _ignored("there is no vendor whose log it could steer")
_TRUNCATION = _ignored("the mocked conversation never outgrows its model")
_PROMPT = _ignored("stored prompts live with the vendor")
_VOICE = _ignored("every response is one speech-like sound: no voice is synthesised")
_SEMANTIC = _approximated("a stated rule makes a wait of an end-of-turn estimate; uncalibrated against any service")
_NOISE = _approximated("a spectral gate stands in for it, before the detector and the recogniser")

_TD = "audio.input.turn_detection"
TREATED: dict[str, Treated] = {
    "session_type": _modelled("a transcription session transcribes and never responds"),
    "model": _ignored(
        "no model is imitated: one responder stands in for all, and a name decides stated delays and reasoning tokens"
    ),
    "output_modalities": _modelled("audio or text responses, each with its own order of events"),
    "instructions": _ignored("no language model reads them"),
    "audio.input.format": _FORMAT,
    "audio.input.format.type": _FORMAT,
    "audio.input.format.rate": _modelled("the one rate there is"),
    "audio.input.noise_reduction": _NOISE,
    "audio.input.noise_reduction.type": _NOISE,
    "audio.input.noise_reduction.strength": _ignored("each kind has one strength"),
    "audio.input.transcription": _modelled("on or off: transcription events are sent, or none"),
    "audio.input.transcription.model": _RECOGNISER,
    "audio.input.transcription.language": _approximated("told to Whisper; weights that do not know it refuse"),
    "audio.input.transcription.prompt": _approximated("Whisper takes it for what was said before"),
    "audio.input.transcription.languages": _LISTS,
    "audio.input.transcription.keywords": _LISTS,
    "audio.input.transcription.delay": _ignored("a transcript's delay is the profile's"),
    _TD: _modelled("server_vad runs a real voice activity detector; null leaves turns to the client"),
    f"{_TD}.type": _modelled("server_vad and null; semantic_vad is approximated"),
    f"{_TD}.threshold": _modelled("compared with a real detector's speech probability, frame by frame"),
    f"{_TD}.prefix_padding_ms": _modelled("moves audio_start_ms and the audio that is committed"),
    f"{_TD}.silence_duration_ms": _modelled("the silence after which the endpoint fires"),
    f"{_TD}.create_response": _modelled("decides whether the end of a turn starts a response"),
    f"{_TD}.interrupt_response": _modelled("decides whether speech cancels the running response"),
    f"{_TD}.idle_timeout_ms": _modelled("counted from response.done plus the playback time, as documented"),
    f"{_TD}.eagerness": _SEMANTIC,
    "audio.output.format": _FORMAT,
    "audio.output.format.type": _FORMAT,
    "audio.output.format.rate": _modelled("the one rate there is"),
    "audio.output.voice": _VOICE,
    "audio.output.speed": _modelled("shortens or lengthens the audio of a response"),
    "include": _modelled("the recogniser's own log-probabilities, of every token, when they are asked for"),
    "max_output_tokens": _modelled("a response longer than this ends incomplete"),
    "tools": _TOOLS,
    "tool_choice": _TOOLS,
    "tracing": _TRACING,
    "tracing.workflow_name": _TRACING,
    "tracing.group_id": _TRACING,
    "tracing.metadata": _TRACING,
    "truncation": _TRUNCATION,
    "truncation.type": _TRUNCATION,
    "truncation.retention_ratio": _TRUNCATION,
    "truncation.token_limits": _TRUNCATION,
    "truncation.token_limits.post_instructions": _TRUNCATION,
    "prompt": _PROMPT,
    "prompt.id": _PROMPT,
    "prompt.version": _PROMPT,
    "prompt.variables": _PROMPT,
    "reasoning": _ignored("no model reasons"),
    "reasoning.effort": _ignored("no model reasons"),
    "parallel_tool_calls": _ignored("mocked responses make one call at a time"),
    "temperature": _ignored("response length and latency are drawn from fixed distributions"),
}
"""One entry for each field of `FIELDS`."""
NEEDS_RECOGNISER = frozenset({"audio.input.transcription.language", "audio.input.transcription.prompt", "include"})
"""Fields that are treated so by a server with a recogniser, and ignored by one that gives back the script's words."""
KINDS: dict[object, Treated] = {None: TREATED[_TD], "server_vad": TREATED[_TD], "semantic_vad": _SEMANTIC}
"""How a session is treated by its kind of turn detection, whatever else that says."""
UNKNOWN_KIND = _ignored("the mocked server has no such turn detection: server_vad with its defaults stands in")
"""How every other kind is treated."""
