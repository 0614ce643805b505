"""The TOML that plans are written in: every plain value comes back as it was."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.sweep.plans.toml_text import from_toml, to_toml, toml_text

texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(["null", "'null'", "''null''", '\x7f\\"\n'])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@given(st.dictionaries(texts, values, max_size=5))
def test_any_document_comes_back(document):
    assert from_toml(tomllib.loads(toml_text(to_toml(document)))) == document


def test_a_document_reads_like_one_written_by_hand():
    document = {"seed": 7, "space": {"threshold": [0.3, 0.5]}, "conditions": [{"kind": "clean"}, {"kind": "pink"}]}
    assert toml_text(document) == (
        "seed = 7\n\n[space]\nthreshold = [0.3, 0.5]\n\n"
        '[[conditions]]\nkind = "clean"\n\n[[conditions]]\nkind = "pink"\n'
    )


def test_null_is_a_word_and_the_word_is_quoted():
    assert to_toml([None, "null", "'null'", "nil"]) == ["null", "'null'", "''null''", "nil"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"x"])
def test_what_toml_cannot_say_is_refused(value):
    with pytest.raises(TypeError, match="cannot be written"):
        toml_text({"x": value})
