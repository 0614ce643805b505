"""The three wire shapes of a session: ga (today's service), seed (the session object) and flat (older, still spoken).

Everything here works on plain trees in the ga shape; `SessionConfig` is the only caller.
"""

from __future__ import annotations

import copy
from typing import Literal, get_args

from realtime_lab.config.masking import masked
from realtime_lab.config.places import FLAT, FLAT_FORMATS, MISSING, Place, Tree, lookup, remove, store
from realtime_lab.errors import ConfigError, Problem

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
