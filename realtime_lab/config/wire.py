"""The three wire shapes of a session, and the other names under which a field may be given.

The shapes are ga (today's service), seed (the session object) and flat (older, still spoken); the names are flat
keywords of the constructor, and older places on the wire. Everything here works on plain trees in the ga shape.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from realtime_lab.config.masking import masked, shortened
from realtime_lab.config.parts.audio import FORMATS, PCM_RATE_HZ
from realtime_lab.config.problems import Flaw
from realtime_lab.config.shape import LOGPROBS
from realtime_lab.errors import ConfigError, Problem

Tree = dict[str, object]
MISSING = object()
FLAT_FORMATS = dict(zip(("pcm16", "g711_ulaw", "g711_alaw"), FORMATS, strict=True))
"""The flat shape's names of the formats."""


def _format(value: object) -> object:
    """A format by one of its names as the object it stands for; anything else is left for validation."""
    if not isinstance(value, str):
        return value
    name = FLAT_FORMATS.get(value, value)
    if name == "audio/pcm":
        return {"type": name, "rate": PCM_RATE_HZ}
    return {"type": name} if name in FORMATS else value


def _modalities(value: object) -> object:
    """Flat servers say text and audio where today's say audio, which carries its transcript anyway."""
    both = (["text", "audio"], ["audio", "text"])
    return ["audio"] if value in both else value


@dataclass(frozen=True)
class Place:
    """A name, the path it stands for, and how its values are written differently."""

    name: str
    path: tuple[str, ...]
    read: Callable[[object], object] = lambda value: value


_INPUT, _OUTPUT = ("audio", "input"), ("audio", "output")
KEYWORDS = (
    Place("turn_detection", (*_INPUT, "turn_detection")),
    Place("transcription", (*_INPUT, "transcription")),
    Place("noise_reduction", (*_INPUT, "noise_reduction")),
    Place("input_format", (*_INPUT, "format"), _format),
    Place("output_format", (*_OUTPUT, "format"), _format),
    Place("voice", (*_OUTPUT, "voice")),
    Place("speed", (*_OUTPUT, "speed")),
)
"""Flat keywords of the constructor."""
FLAT = (
    Place("modalities", ("output_modalities",), _modalities),
    Place("voice", (*_OUTPUT, "voice")),
    Place("speed", (*_OUTPUT, "speed")),
    Place("input_audio_format", (*_INPUT, "format"), _format),
    Place("output_audio_format", (*_OUTPUT, "format"), _format),
    Place("input_audio_transcription", (*_INPUT, "transcription")),
    Place("input_audio_noise_reduction", (*_INPUT, "noise_reduction")),
    Place("turn_detection", (*_INPUT, "turn_detection")),
    Place("max_response_output_tokens", ("max_output_tokens",)),
)
"""Where the flat shape, and the seed's top-level turn_detection, keep a field."""


def fold(tree: Tree, places: tuple[Place, ...], *, merge: bool = False) -> list[Flaw]:
    """Move values from other names to their own place, in `tree` itself.

    Args:
        tree: Plain values; names in `places` are taken out.
        places: The other names.
        merge: Join two objects that state different fields, as servers' reports of one thing may; what they state
            both must still be equal.

    Returns:
        A flaw for each value that is given in two places and not the same in both.
    """
    flaws = []
    for place in places:
        if place.name not in tree:
            continue
        value = place.read(tree.pop(place.name))
        there = lookup(tree, place.path)
        joined = _joined(there, value, merge)
        if joined is MISSING:
            flaws.append(_conflict(place, value, there))
        elif not store(tree, place.path, joined):
            tree[place.name] = value  # its group is not an object, which validation says
    return flaws


def fold_logprobs(tree: Tree) -> list[Flaw]:
    """Turn the keyword `logprobs` into `include`, in `tree` itself."""
    if "logprobs" not in tree:
        return []
    wanted = tree.pop("logprobs")
    if not isinstance(wanted, bool):
        problem = Problem("logprobs", masked(wanted), "true or false", code="invalid_type")
        return [Flaw(("include",), problem)]
    given = tree.get("include", MISSING)
    listed = isinstance(given, list) and LOGPROBS in given
    if given is MISSING and wanted:
        tree["include"] = [LOGPROBS]
    elif given is not MISSING and listed != wanted:
        return [_conflict(Place("logprobs", ("include",)), wanted, given)]
    return []


def lookup(tree: Mapping[str, object], path: tuple[str, ...]) -> object:
    """The value at a path, MISSING when there is none."""
    node: object = tree
    for step in path:
        if not isinstance(node, Mapping) or step not in node:
            return MISSING
        node = node[step]
    return node


def store(tree: Tree, path: tuple[str, ...], value: object) -> bool:
    """Set the value at a path, making the objects on the way; False when something else than an object is in it."""
    node = tree
    for step in path[:-1]:
        child = node.setdefault(step, {})
        if not isinstance(child, dict):
            return False
        node = cast(Tree, child)
    node[path[-1]] = value
    return True


def remove(tree: Tree, path: tuple[str, ...]) -> object:
    """Take out and return the value at a path; MISSING when there is none."""
    node: object = tree
    for step in path[:-1]:
        node = node.get(step) if isinstance(node, dict) else None
    return node.pop(path[-1], MISSING) if isinstance(node, dict) else MISSING


def _joined(there: object, value: object, merge: bool) -> object:
    if there is MISSING or there == value:
        return value
    if merge and isinstance(there, dict) and isinstance(value, dict):
        shared = there.keys() & value.keys()
        if all(there[key] == value[key] for key in shared):
            return {**value, **there}
    return MISSING


def _conflict(place: Place, value: object, there: object) -> Flaw:
    path = ".".join(place.path)
    if isinstance(value, dict) and isinstance(there, dict):
        keys = sorted(key for key in value.keys() | there.keys() if value.get(key, MISSING) != there.get(key, MISSING))
        value, there = ({key: side[key] for key in keys if key in side} for side in (value, there))
    hint = f"{place.name} says {_shown(value)}, {path} says {_shown(there)}: give one of them, or make them equal"
    shown = masked(value, place.name)
    return Flaw(place.path, Problem(path, shown, "one value for one field", hint, "conflicting_values"))


def _shown(value: object) -> str:
    return repr(shortened(masked(value)))[:120]


Shape = Literal["ga", "seed", "flat"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
REPORTED = ("id", "object", "expires_at", "client_secret")
"""What a server says of a session beyond its configuration; `Session` holds it, but for the secret."""
NOT_CARRIED: dict[str, tuple[str, ...]] = {
    "ga": ("temperature",),
    "seed": ("temperature",),
    "flat": ("session_type", "truncation", "reasoning", "parallel_tool_calls"),
}
"""Fields a shape has no place for."""
_TURN_DETECTION = ("audio", "input", "turn_detection")
_FORMAT_NAMES = {name: flat for flat, name in FLAT_FORMATS.items()}


def checked_shape(shape: str) -> Shape:
    """The shape itself, or a ConfigError that names the three."""
    if shape not in SHAPES:
        raise ConfigError([Problem("shape", shape, ", ".join(SHAPES))])
    return shape


def written(tree: Tree, shape: Shape, typed: Tree) -> Tree:
    """Write a session in a wire shape.

    Args:
        tree: The session in the ga shape, unknown names included; it is used up.
        shape: The shape to write.
        typed: The fields that are set, without unknown names.

    Raises:
        ConfigError: A field is set that the shape cannot carry.
    """
    problems = [_homeless(path, typed[path], shape) for path in NOT_CARRIED[shape] if path in typed]
    voice = lookup(typed, ("audio", "output", "voice"))
    if shape == "flat" and isinstance(voice, dict):
        problems.append(_homeless("audio.output.voice", voice, shape))
    if problems:
        raise ConfigError(problems)
    if shape == "ga":
        return tree
    return _seed(tree) if shape == "seed" else _flat(tree)


def _homeless(path: str, value: object, shape: str) -> Problem:
    hint = f"the {shape} shape has no place for it: leave it out, or write another of {', '.join(SHAPES)}"
    return Problem(path, masked(value, path), f"unset in the {shape} shape", hint, "unknown_parameter")


def _seed(tree: Tree) -> Tree:
    """The session object: no `type` unless it tells more than `object` does, and turn_detection in both its places."""
    if tree.get("type") == "realtime":
        del tree["type"]
    turn_detection = lookup(tree, _TURN_DETECTION)
    if turn_detection is not MISSING:
        tree["turn_detection"] = copy.deepcopy(turn_detection)
    return tree


def _flat(tree: Tree) -> Tree:
    if tree.get("type") == "realtime":
        del tree["type"]
    for place in FLAT:
        value = remove(tree, place.path)
        if value is MISSING:
            continue
        flat = _flat_value(place, value)
        if flat is MISSING:
            store(tree, place.path, value)  # a server's own kind of value, which the older name cannot say
        else:
            tree[place.name] = flat
    _prune(tree)
    return tree


def _flat_value(place: Place, value: object) -> object:
    """A value in the words of the flat shape; MISSING when they cannot say it and back."""
    flat = value
    if place.path[-1] == "format" and isinstance(value, dict):
        flat = _FORMAT_NAMES.get(str(value.get("type")), MISSING)
    elif place.name == "modalities" and value == ["audio"]:
        flat = ["text", "audio"]
    return flat if flat is MISSING or place.read(flat) == value else MISSING


def _prune(tree: Tree) -> None:
    """Drop the groups that were emptied."""
    audio = tree.get("audio")
    if not isinstance(audio, dict):
        return
    for group in ("input", "output"):
        if audio.get(group) == {}:
            del audio[group]
    if not audio:
        del tree["audio"]
