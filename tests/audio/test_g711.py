"""G.711 against the recommendation's tables, for every code and every sample."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.audio import g711

EVERY_CODE = bytes(range(256))
EVERY_SAMPLE = np.arange(-32_768, 32_768).astype(np.int16)
LAWS = {"ulaw": (g711.encode_ulaw, g711.decode_ulaw), "alaw": (g711.encode_alaw, g711.decode_alaw)}


@pytest.mark.parametrize(
    ("law", "values"),
    [
        ("ulaw", {0xFF: 0, 0x7F: 0, 0xFE: 8, 0xF0: 120, 0xEF: 132, 0x8F: 16_764, 0x80: 32_124, 0x00: -32_124}),
        ("alaw", {0xD5: 8, 0x55: -8, 0xD4: 24, 0xC5: 264, 0x85: 4_224, 0xAA: 32_256, 0x2A: -32_256}),
    ],
)
def test_decoding_gives_the_values_of_the_tables(law: str, values: dict[int, int]) -> None:
    decoded = LAWS[law][1](bytes(values))
    assert decoded.tolist() == list(values.values())


@pytest.mark.parametrize(
    ("law", "digest"),
    [
        ("ulaw", "3dab54339e520bb2c924826e3b72a917a2b612e9fd12fc867500f1d983a75827"),
        ("alaw", "e04788d110e58ff8c70c93b8480190d973e3b67876b6119abbaec766cc75c174"),
    ],
)
def test_all_256_codes_decode_as_they_always_have(law: str, digest: str) -> None:
    decoded = LAWS[law][1](EVERY_CODE)
    assert hashlib.sha256(decoded.astype("<i2").tobytes()).hexdigest() == digest


@pytest.mark.parametrize("law", LAWS)
def test_every_code_comes_back_but_negative_zero(law: str) -> None:
    encode, decode = LAWS[law]
    back = encode(decode(EVERY_CODE))
    changed = [(code, back[code]) for code in EVERY_CODE if back[code] != code]
    assert changed == ([(0x7F, 0xFF)] if law == "ulaw" else [])


@pytest.mark.parametrize("law", LAWS)
def test_louder_never_decodes_softer(law: str) -> None:
    encode, decode = LAWS[law]
    assert (np.diff(decode(encode(EVERY_SAMPLE)).astype(int)) >= 0).all()


def ulaw_decisions() -> list[int]:
    """Where one interval ends and the next begins, in 14-bit values (table 2 of the recommendation)."""
    values, step = [0, *range(1, 32, 2)], 4
    for _ in range(7):
        values += range(values[-1] + step, values[-1] + 16 * step + 1, step)
        step *= 2
    return values[:-1]  # the last bounds the range


def alaw_decisions() -> list[int]:
    """The same in 13-bit values (table 1)."""
    values, step = [*range(0, 65, 2)], 4
    for _ in range(6):
        values += range(values[-1] + step, values[-1] + 16 * step + 1, step)
        step *= 2
    return values[:-1]


@pytest.mark.parametrize(("law", "decisions", "shift"), [("ulaw", ulaw_decisions(), 2), ("alaw", alaw_decisions(), 3)])
def test_every_positive_sample_falls_in_the_interval_of_the_tables(law: str, decisions: list[int], shift: int) -> None:
    encode, decode = LAWS[law]
    positive = EVERY_SAMPLE[32_768:]
    interval = np.searchsorted(decisions, positive >> shift, side="right") - 1
    outputs = np.unique(decode(EVERY_CODE))[128 if law == "alaw" else 127 :]
    assert len(decisions) == 128 == len(outputs)
    assert np.array_equal(decode(encode(positive)), outputs[interval])


def test_mu_law_is_symmetric() -> None:
    positive = np.frombuffer(g711.encode_ulaw(EVERY_SAMPLE[32_769:]), np.uint8)
    negative = np.frombuffer(g711.encode_ulaw(-EVERY_SAMPLE[32_769:]), np.uint8)
    assert np.array_equal(positive ^ 0x80, negative)


def test_silence_bytes() -> None:
    assert g711.encode_ulaw(np.zeros(1, np.int16))[0] == g711.ULAW_SILENCE
    assert g711.encode_alaw(np.zeros(1, np.int16))[0] == g711.ALAW_SILENCE


@given(st.binary(max_size=300), st.sampled_from(sorted(LAWS)))
def test_coding_twice_is_coding_once(data: bytes, law: str) -> None:
    encode, decode = LAWS[law]
    once = decode(data)
    assert np.array_equal(decode(encode(once)), once) and len(encode(once)) == len(data)
