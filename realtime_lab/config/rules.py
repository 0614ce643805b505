"""Rules that no single field can check: transcription sessions, what `extra` may lay over, what must stay as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from realtime_lab.config.masking import masked
from realtime_lab.config.places import MISSING, Tree, lookup
from realtime_lab.config.problems import Flaw, Where
from realtime_lab.config.shape import LOGPROBS
from realtime_lab.errors import Problem

_TRANSCRIPTION_FIELDS = ("session_type", "audio", "include", "extra")
_NO_VAD = ("gpt-live-transcribe", "gpt-realtime-whisper")
_TRANSCRIPTION = ("audio", "input", "transcription")
_TURN_DETECTION = ("audio", "input", "turn_detection")


def broken_rules(tree: Tree) -> list[Flaw]:
    """Mistakes across fields of a plain session tree, which may have mistakes within fields too."""
    return [*_transcription_session(tree), *_shadowed(tree, tree.get("extra"), ())]


def unheard_logprobs(tree: Tree) -> str:
    """The warning that log-probabilities are asked for without a recogniser to give them, "" when all is well."""
    include = tree.get("include")
    if not isinstance(include, list) or LOGPROBS not in include:
        return ""
    model = lookup(tree, (*_TRANSCRIPTION, "model"))
    if isinstance(model, str):
        return ""
    return (
        f'include asks for "{LOGPROBS}", but audio.input.transcription.model is not set: '
        "no log-probabilities will come; set transcription, or leave include out"
    )


def tracing_change(current: object, wanted: object) -> Problem | None:
    """Why a session may not be given other tracing; None when it may.

    Args:
        current: The running session's `tracing`; None: off.
        wanted: What an update asks for.
    """
    if current is None or wanted == current:
        return None
    hint = "tracing cannot be changed once it is on: open another session"
    return Problem("tracing", masked(wanted), "what the session has already, or unset", hint)


def _transcription_session(tree: Tree) -> Iterator[Flaw]:
    if tree.get("session_type") != "transcription":
        return
    for name, value in tree.items():
        if name not in _TRANSCRIPTION_FIELDS:
            yield _foreign((name,), value)
    output = lookup(tree, ("audio", "output"))
    if output not in (MISSING, {}):
        yield _foreign(("audio", "output"), output)
    model = lookup(tree, (*_TRANSCRIPTION, "model"))
    turn_detection = lookup(tree, _TURN_DETECTION)
    if model in _NO_VAD and isinstance(turn_detection, dict):
        path = ".".join(_TURN_DETECTION)
        hint = f"{model} has no turn detection: the client commits the audio"
        yield Flaw(_TURN_DETECTION, Problem(path, masked(turn_detection), "null", hint))


def _foreign(where: tuple[str, ...], value: object) -> Flaw:
    path = ".".join(where)
    hint = "a transcription session has audio.input and include only"
    allowed = "unset in a transcription session"
    return Flaw(where, Problem(path, masked(value, where[-1]), allowed, hint, "unknown_parameter"))


def _shadowed(below: object, layer: object, where: Where) -> Iterator[Flaw]:
    """Values in `extra` that stand where a field is set."""
    if not isinstance(below, Mapping) or not isinstance(layer, Mapping):
        return
    for key, value in layer.items():
        if key not in below or key in ("extra", "session_type"):
            continue
        if isinstance(value, Mapping) and isinstance(below[key], Mapping):
            yield from _shadowed(below[key], value, (*where, key))
            continue
        path = ".".join(str(step) for step in (*where, key))
        hint = f"{path} is set already: give it once"
        yield Flaw(("extra",), Problem(f"extra.{path}", masked(value, key), "a field that is not set", hint))
