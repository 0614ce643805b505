"""Rows out of the raw pages of a damaged SQLite file: whatever whole cells the leaves hold, by no other way in.

Only the file format's leaf pages and overflow chains are read (https://www.sqlite.org/fileformat2.html, sections 1.6
and 2.1): what a broken interior page no longer leads to is found all the same, and so is what was deleted but not yet
overwritten. Nothing here is believed: a row is a list of values, and whether it is sound is the caller's to check.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

_LEAF_TABLE, _LEAF_INDEX, _INTERIOR_INDEX = 0x0D, 0x0A, 0x02
_PAGE_SIZES = (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)
_USUAL_PAGE = 4096
_MAX_COLUMNS = 64
_LOG_HEADER, _FRAME_HEADER = 32, 24


def rows_in_pages(data: bytes) -> Iterator[list[Any]]:
    """Every row that is whole, in the order of the pages; the rowid stands where a rowid column was left null.

    Args:
        data: The file's bytes.
    """
    file = _File(data)
    for number in range(1, file.n_pages + 1):
        yield from file.rows(number)


class _Torn(Exception):
    """A cell does not hold together."""


class _File:
    def __init__(self, data: bytes) -> None:
        size = int.from_bytes(data[16:18], "big")
        size = 65536 if size == 1 else size
        self._size = size if size in _PAGE_SIZES else _USUAL_PAGE
        self._data = data
        self._usable = self._size - (data[20] if size in _PAGE_SIZES and data[20] < 64 else 0)
        self.n_pages = len(data) // self._size

    def _page(self, number: int) -> bytes:
        if not 1 <= number <= self.n_pages:
            raise _Torn
        return self._data[(number - 1) * self._size : number * self._size]

    def rows(self, number: int) -> Iterator[list[Any]]:
        page = self._page(number)
        start = 100 if number == 1 else 0
        kind = page[start]
        if kind not in (_LEAF_TABLE, _LEAF_INDEX, _INTERIOR_INDEX):
            return
        (count,) = struct.unpack_from(">H", page, start + 3)
        first = start + (12 if kind == _INTERIOR_INDEX else 8)
        for place in range(first, min(first + 2 * count, self._usable - 1), 2):
            try:
                yield self._row(page, int.from_bytes(page[place : place + 2], "big"), kind)
            except (_Torn, struct.error, IndexError, UnicodeDecodeError, OverflowError):
                continue

    def _row(self, page: bytes, at: int, kind: int) -> list[Any]:
        at += 4 if kind == _INTERIOR_INDEX else 0
        length, at = _varint(page, at)
        rowid = None
        if kind == _LEAF_TABLE:
            rowid, at = _varint(page, at)
        values = _values(self._payload(page, at, length, kind))
        return [rowid if value is None and number == 0 else value for number, value in enumerate(values)]

    def _payload(self, page: bytes, at: int, length: int, kind: int) -> bytes:
        usable = self._usable
        most = usable - 35 if kind == _LEAF_TABLE else (usable - 12) * 64 // 255 - 23
        if length > len(self._data):
            raise _Torn
        if length <= most:
            return _slice(page, at, length)
        least = (usable - 12) * 32 // 255 - 23
        local = least + (length - least) % (usable - 4)
        local = local if local <= most else least
        parts, left = [_slice(page, at, local)], length - local
        following = int.from_bytes(_slice(page, at + local, 4), "big")
        while left:
            link = self._page(following)
            parts.append(link[4 : 4 + min(left, usable - 4)])
            left -= len(parts[-1])
            following = int.from_bytes(link[:4], "big")
        return b"".join(parts)


def _slice(page: bytes, at: int, length: int) -> bytes:
    part = page[at : at + length]
    if len(part) < length:
        raise _Torn
    return part


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for position in range(9):
        byte = data[at + position]
        if position == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + position + 1
    raise _Torn


def _values(payload: bytes) -> list[Any]:
    header, at = _varint(payload, 0)
    kinds: list[int] = []
    while at < header:
        kind, at = _varint(payload, at)
        kinds.append(kind)
        if len(kinds) > _MAX_COLUMNS:
            raise _Torn
    if at != header:
        raise _Torn
    values = []
    for kind in kinds:
        value, at = _value(payload, at, kind)
        values.append(value)
    return values


_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}


def _value(payload: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in (0, 8, 9):
        return (None, 0, 1)[(0, 8, 9).index(kind)], at
    if kind in _INTEGER_BYTES:
        size = _INTEGER_BYTES[kind]
        return int.from_bytes(_slice(payload, at, size), "big", signed=True), at + size
    if kind == 7:
        return struct.unpack(">d", _slice(payload, at, 8))[0], at + 8
    if kind < 12:
        raise _Torn
    size = (kind - 12) // 2
    raw = _slice(payload, at, size)
    return (raw if kind % 2 == 0 else raw.decode()), at + size


def with_log(data: bytes, log: bytes) -> bytes:
    """The file's bytes with the pages of its write-ahead log put over them, as far as the log belongs to it.

    Frames count up to the last commit whose checksums hold, as they do for SQLite.
    """
    if len(log) < _LOG_HEADER or log[:4] not in (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83"):
        return data
    order = "<" if log[3] == 0x82 else ">"
    size = int.from_bytes(log[8:12], "big")
    sums = _checksum(log[:24], order, (0, 0))
    if size not in _PAGE_SIZES or sums != struct.unpack(">II", log[24:32]):
        return data
    pages: dict[int, bytes] = {}
    waiting: dict[int, bytes] = {}
    total = 0
    for at in range(_LOG_HEADER, len(log) - _FRAME_HEADER - size + 1, _FRAME_HEADER + size):
        head, page = log[at : at + _FRAME_HEADER], log[at + _FRAME_HEADER : at + _FRAME_HEADER + size]
        sums = _checksum(page, order, _checksum(head[:8], order, sums))
        if head[8:16] != log[16:24] or sums != struct.unpack(">II", head[16:24]):
            break
        waiting[int.from_bytes(head[:4], "big")] = page
        if committed := int.from_bytes(head[4:8], "big"):
            pages |= waiting
            waiting, total = {}, committed
    if not pages:
        return data
    whole = bytearray(data[: total * size].ljust(total * size, b"\0"))
    for number, page in pages.items():
        whole[(number - 1) * size : number * size] = page
    return bytes(whole)


def _checksum(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
