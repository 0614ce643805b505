"""The objects under `audio`: turn detection, transcription, noise reduction, formats and voice."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import model_validator

from realtime_lab.config.parts.part import Part
from realtime_lab.config.specs import Choice, Flag, Nested, Number, Text, TextList, Whole, refusal

PCM_RATE_HZ = 24_000
LONGEST_SESSION_MS = 3_600_000
"""A session lasts an hour, so no duration inside it is longer."""
VOICES = ("alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse")
FORMATS = ("audio/pcm", "audio/pcmu", "audio/pcma")


class ServerVad(Part):
    """Turn detection by voice activity: a turn ends after a stretch of silence."""

    place: ClassVar[str] = "audio.input.turn_detection"

    type: Annotated[Literal["server_vad"], Choice(options=("server_vad",))] = "server_vad"
    """Kind of turn detection."""
    threshold: Annotated[float | None, Number(minimum=0, maximum=1, default=0.5)] = None
    """Speech probability at which speech starts; higher needs clearer speech, which helps in noise."""
    prefix_padding_ms: Annotated[int | None, Whole(minimum=0, maximum=LONGEST_SESSION_MS, default=300)] = None
    """Audio kept from before the detected start of speech, in milliseconds."""
    silence_duration_ms: Annotated[
        int | None,
        Whole(minimum=0, maximum=LONGEST_SESSION_MS, default=500, default_note="documented; 200 was observed"),
    ] = None
    """Silence that ends a turn, in milliseconds: shorter answers sooner and cuts more callers off."""
    create_response: Annotated[bool | None, Flag(default=True)] = None
    """Whether the end of a turn makes the server respond."""
    interrupt_response: Annotated[bool | None, Flag(default=True)] = None
    """Whether speech that starts during a response cancels it."""
    idle_timeout_ms: Annotated[int | None, Whole(minimum=5_000, maximum=30_000, nullable=True)] = None
    """Silence after a response has been played out that makes the server speak again, in milliseconds."""


class SemanticVad(Part):
    """Turn detection by an estimate of whether the speaker has finished."""

    place: ClassVar[str] = "audio.input.turn_detection"

    type: Annotated[Literal["semantic_vad"], Choice(options=("semantic_vad",))] = "semantic_vad"
    """Kind of turn detection."""
    eagerness: Annotated[
        Literal["low", "medium", "high", "auto"] | None,
        Choice(options=("low", "medium", "high", "auto"), default="auto", default_note="the same as medium"),
    ] = None
    """How soon to answer: low waits up to 8 s, medium up to 4 s, high up to 2 s."""
    create_response: Annotated[bool | None, Flag(default=True)] = None
    """Whether the end of a turn makes the server respond."""
    interrupt_response: Annotated[bool | None, Flag(default=True)] = None
    """Whether speech that starts during a response cancels it."""


TurnDetection = ServerVad | SemanticVad
"""Every kind of turn detection; a kind belongs here, among the public names, and in `treatments.KINDS`."""
TURN_DETECTIONS: tuple[type[Part], ...] = get_args(TurnDetection)


class Transcription(Part):
    """Transcription of the caller's audio by a recogniser beside the model."""

    place: ClassVar[str] = "audio.input.transcription"

    model: Annotated[
        str | None,
        Text(
            empty=False,
            suggestions=(
                "gpt-4o-transcribe",
                "gpt-4o-mini-transcribe",
                "gpt-4o-transcribe-diarize",
                "gpt-transcribe",
                "gpt-live-transcribe",
                "gpt-realtime-whisper",
                "whisper-1",
            ),
        ),
    ] = None
    """Recogniser to use: gpt-realtime-whisper and gpt-live-transcribe write while the caller speaks, the others after
    the commit; gpt-transcribe tells the languages it found; whisper-1 and the gpt-4o ones end on 2027-02-26."""
    language: Annotated[str | None, Text()] = None
    """Language spoken, as an ISO 639-1 code such as en."""
    prompt: Annotated[str | None, Text()] = None
    """Text that guides the recogniser; gpt-realtime-whisper takes none."""
    languages: Annotated[tuple[str, ...] | None, TextList()] = None
    """Languages that may be spoken, as ISO 639-1 codes; for gpt-transcribe and gpt-live-transcribe."""
    keywords: Annotated[tuple[str, ...] | None, TextList()] = None
    """Words the recogniser should expect; for gpt-transcribe and gpt-live-transcribe."""
    delay: Annotated[
        Literal["minimal", "low", "medium", "high", "xhigh"] | None,
        Choice(options=("minimal", "low", "medium", "high", "xhigh")),
    ] = None
    """How long the recogniser waits before it emits text; for gpt-realtime-whisper."""


class NoiseReduction(Part):
    """Noise reduction before voice activity detection and the model."""

    place: ClassVar[str] = "audio.input.noise_reduction"

    type: Annotated[Literal["near_field", "far_field"] | None, Choice(options=("near_field", "far_field"))] = None
    """Kind of microphone: near_field for headsets, far_field for rooms."""
    strength: Annotated[float | None, Number(minimum=0, default=1.0)] = None
    """How much to suppress; higher is more. An update that leaves it out keeps the session's."""


class AudioFormat(Part):
    """Encoding of an audio stream: 16-bit PCM at 24 kHz, or G.711 at 8 kHz."""

    place: ClassVar[str] = "audio.input.format"

    type: Annotated[Literal["audio/pcm", "audio/pcmu", "audio/pcma"], Choice(options=FORMATS, default="audio/pcm")]
    """Encoding: audio/pcm, audio/pcmu (mu-law) or audio/pcma (A-law)."""
    rate: Annotated[int | None, Choice(options=(PCM_RATE_HZ,), default=PCM_RATE_HZ)] = None
    """Sample rate in Hz, of audio/pcm only."""

    @model_validator(mode="before")
    @classmethod
    def _one_rate(cls, data: Any) -> Any:
        """PCM always states its one rate, so that two ways to write the same format are equal; G.711 has none."""
        if not isinstance(data, dict):
            return data
        if data.get("type") == "audio/pcm":
            return {"rate": PCM_RATE_HZ, **data}
        if "rate" in data and data.get("type") in FORMATS:
            raise refusal("unknown_parameter", "G.711 is always 8 kHz: leave rate out", at="rate")
        return data


class AudioInput(Part):
    """What happens to the caller's audio."""

    place: ClassVar[str] = "audio.input"
    group: ClassVar[bool] = True

    format: Annotated[AudioFormat | None, Nested(parts=(AudioFormat,), default_note="16-bit PCM at 24 kHz")] = None
    """Encoding of the audio sent."""
    noise_reduction: Annotated[NoiseReduction | None, Nested(parts=(NoiseReduction,), nullable=True)] = None
    """Noise reduction, or null for none."""
    transcription: Annotated[Transcription | None, Nested(parts=(Transcription,), nullable=True)] = None
    """Transcription of the caller, or null for none."""
    turn_detection: Annotated[
        TurnDetection | None,
        Nested(parts=TURN_DETECTIONS, nullable=True, default_note="server_vad"),
    ] = None
    """How the end of a turn is found; null: the client commits the audio and asks for each response."""


class CustomVoice(Part):
    """A voice made by the account's owner."""

    place: ClassVar[str] = "audio.output.voice"

    id: Annotated[str, Text(empty=False)]
    """Its id."""


class AudioOutput(Part):
    """What the model's audio sounds like."""

    place: ClassVar[str] = "audio.output"
    group: ClassVar[bool] = True

    format: Annotated[AudioFormat | None, Nested(parts=(AudioFormat,), default_note="16-bit PCM at 24 kHz")] = None
    """Encoding of the audio received."""
    voice: Annotated[
        str | CustomVoice | None,
        Nested(parts=(CustomVoice,), any_text=True, suggestions=VOICES, default_note="alloy or marin"),
    ] = None
    """Voice of the model; it cannot change after the first audio."""
    speed: Annotated[float | None, Number(minimum=0.25, maximum=1.5, default=1.0)] = None
    """Speed of speech as a multiple of the normal one; it changes between turns only."""


class Audio(Part):
    """Audio in and audio out."""

    place: ClassVar[str] = "audio"
    group: ClassVar[bool] = True

    input: Annotated[AudioInput | None, Nested(parts=(AudioInput,))] = None
    """The caller's audio."""
    output: Annotated[AudioOutput | None, Nested(parts=(AudioOutput,))] = None
    """The model's audio."""
