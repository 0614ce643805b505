"""G.711: mu-law and A-law bytes to and from PCM16, as ITU-T G.711 (11/88) tabulates them.

Decoding is a look-up in the 256 values of the recommendation; encoding is a look-up in a table built from its
decision values, so both are exact for every code and every sample.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ULAW_SILENCE = 0xFF
"""The mu-law byte of the value 0."""
ALAW_SILENCE = 0xD5
"""The A-law byte of the smallest positive value, 8."""

_ULAW_BIAS = 33
_ULAW_MAX = 8_158


def _ulaw_values() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.int64) & 0xFF
    magnitude = ((((code & 0x0F) << 1) + _ULAW_BIAS) << ((code >> 4) & 0x07)) - _ULAW_BIAS
    # The recommendation speaks of 14-bit values; PCM16 carries them in its upper bits.
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16) * np.int16(4)


def _alaw_values() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.int64) ^ 0x55
    mantissa, exponent = code & 0x0F, (code >> 4) & 0x07
    magnitude = np.where(exponent == 0, 2 * mantissa + 1, (2 * mantissa + 33) << np.maximum(exponent - 1, 0))
    # 13-bit values, in the upper bits of PCM16; here a set sign bit means positive.
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16) * np.int16(8)


def _exponent(magnitude: NDArray[np.int64], lowest: int) -> NDArray[np.int64]:
    """How many times `magnitude` must be halved to fall under 2 * lowest (0 when it already is)."""
    bounds = lowest * 2 ** np.arange(1, 8)
    return np.searchsorted(bounds, magnitude, side="right").astype(np.int64)


def _ulaw_codes() -> NDArray[np.uint8]:
    """The code of every PCM16 value, at index value + 32768."""
    value = np.arange(-32_768, 32_768, dtype=np.int64)
    # 14 bits, magnitudes rounded towards zero as the decision values have it.
    magnitude = np.minimum(np.abs(value) >> 2, _ULAW_MAX) + _ULAW_BIAS
    exponent = _exponent(magnitude, 32)
    code = (exponent << 4) | ((magnitude >> (exponent + 1)) & 0x0F)
    return np.asarray(~np.where(value < 0, code | 0x80, code) & 0xFF, dtype=np.uint8)


def _alaw_codes() -> NDArray[np.uint8]:
    """The code of every PCM16 value, at index value + 32768."""
    value = np.arange(-32_768, 32_768, dtype=np.int64)
    # 13 bits; negative values count from -1, as no A-law code means 0.
    magnitude = np.where(value < 0, -1 - value, value) >> 3
    exponent = _exponent(magnitude, 16)
    code = (exponent << 4) | ((magnitude >> np.maximum(exponent, 1)) & 0x0F)
    return np.asarray(np.where(value < 0, code, code | 0x80) ^ 0x55, dtype=np.uint8)


_ULAW_VALUES = _ulaw_values()
_ALAW_VALUES = _alaw_values()
_ULAW_CODES = _ulaw_codes()
_ALAW_CODES = _alaw_codes()
for _table in (_ULAW_VALUES, _ALAW_VALUES, _ULAW_CODES, _ALAW_CODES):
    _table.setflags(write=False)


def _encode(pcm: NDArray[np.int16], table: NDArray[np.uint8]) -> bytes:
    return bytes(table[pcm.astype(np.int32) + 32_768].tobytes())


def encode_ulaw(pcm: NDArray[np.int16]) -> bytes:
    """PCM16 samples as mu-law bytes, one a sample."""
    return _encode(pcm, _ULAW_CODES)


def decode_ulaw(data: bytes) -> NDArray[np.int16]:
    """Mu-law bytes as PCM16 samples."""
    return _ULAW_VALUES[np.frombuffer(data, dtype=np.uint8)]


def encode_alaw(pcm: NDArray[np.int16]) -> bytes:
    """PCM16 samples as A-law bytes, one a sample."""
    return _encode(pcm, _ALAW_CODES)


def decode_alaw(data: bytes) -> NDArray[np.int16]:
    """A-law bytes as PCM16 samples."""
    return _ALAW_VALUES[np.frombuffer(data, dtype=np.uint8)]
