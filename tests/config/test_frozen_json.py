"""Frozen JSON: copies that cannot change, one text per value, and refusals of what JSON cannot say."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given
from strategies_config import json_objects, json_values

from realtime_lab.config.frozen_json import FrozenDict, NotJsonError, canonical_text, freeze, overlaid, thaw
from realtime_lab.config.masking import masked, shortened


@given(json_values)
def test_freezing_and_thawing_gives_the_value_back(value):
    frozen = freeze(value)
    assert thaw(frozen) == value
    assert canonical_text(frozen) == canonical_text(value)
    assert pickle.loads(pickle.dumps(frozen)) == frozen == copy.deepcopy(frozen)
    hash(frozen)


@given(json_objects)
def test_the_canonical_text_does_not_depend_on_order(value):
    assert canonical_text(dict(reversed(value.items()))) == canonical_text(value)
    assert json.loads(canonical_text(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**300, {1: 2}, {"a": {1, 2}}, [b"x"], object()])
def test_what_json_cannot_say_is_refused(value):
    with pytest.raises(NotJsonError):
        freeze(value)


def test_a_frozen_object_refuses_every_change():
    frozen = FrozenDict({"a": 1})
    for change in (
        lambda: frozen.__setitem__("a", 2),
        lambda: frozen.__delitem__("a"),
        lambda: frozen.update(a=2),
        lambda: frozen.pop("a"),
        lambda: frozen.setdefault("b", 1),
        frozen.clear,
        frozen.popitem,
    ):
        with pytest.raises(TypeError):
            change()
    with pytest.raises(TypeError):
        frozen |= {"b": 1}
    assert frozen == {"a": 1}


@given(json_objects, json_objects)
def test_a_layer_stands_on_top(base, layer):
    merged = overlaid(base, layer)
    assert set(merged) == set(base) | set(layer)
    for key, value in layer.items():
        if not (isinstance(value, dict) and isinstance(base.get(key), dict)):
            assert merged[key] == value


def test_secrets_are_masked_by_name_and_by_look():
    value = {
        "authorization": "a",
        "deep": [{"api_key": "b", "note": "Bearer abc sk-0123456789"}],
        "max_output_tokens": 5,
    }
    assert masked(value) == {
        "authorization": "***",
        "deep": [{"api_key": "***", "note": "*** ***"}],
        "max_output_tokens": 5,
    }
    assert masked("task-based risk-assessment") == "task-based risk-assessment"


def test_long_texts_are_cut():
    assert shortened({"a": ["x" * 10]}, 8) == {"a": ["xxxxx..."]}
