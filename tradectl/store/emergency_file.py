"""The emergency journal's file: places of one disk sector, each with its own checksum, and the lock of its writers.

    place 0 and 1   the header: what the kill switch needs to know where the store cannot be read
    place 2         the mark: records up to this number were imported and are void
    place 3 to 127  one record each, numbered from 1; zeros where there is none

A sector is written whole or not at all on nearly every disk; where it is not, the checksum tells. A file is always of
full size, with its blocks allocated, so that writing into it needs no space. Writers and `clear` hold an exclusive
lock, readers a shared one, each for a few milliseconds.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

SIZE_BYTES = 64 * 1024
PLACE_BYTES = 512
FIRST = 3  # the first record's place
PLACES = SIZE_BYTES // PLACE_BYTES
CAPACITY = PLACES - FIRST  # records
WRITE_WAIT_MS = 2_000
READ_WAIT_MS = 500  # readers may stand inside a transaction
_HEADER_BYTES = 2 * PLACE_BYTES
_MARK_AT = 2 * PLACE_BYTES
_HEAD = struct.Struct(">4sIHQ")  # magic with version, checksum of the rest, length of the text, number
_MAGIC = b"tde1"
_RETRY_SECONDS = 0.005
ROOM_BYTES = PLACE_BYTES - _HEAD.size  # for a record's text
HEADER_ROOM_BYTES = _HEADER_BYTES - _HEAD.size


@dataclass(frozen=True, slots=True)
class Block:
    """What one checksum covers, and where in the file it begins."""

    offset: int
    number: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Content:
    """One reading of the file. `live` is sorted by number; `bad` is (offset, bytes) of what fails its checksum.

    `mark` None: it is not there or unreadable. `free` are the offsets a record may be written to, best first.
    """

    header: bytes | None
    mark: int | None
    live: tuple[Block, ...]
    bad: tuple[tuple[int, bytes], ...]
    free: tuple[int, ...]

    @property
    def last_number(self) -> int:
        return max(self.mark or 0, self.live[-1].number if self.live else 0)

    def gaps(self) -> tuple[int, ...]:
        """Numbers that were given to records which are no longer there."""
        if not self.live:
            return ()
        first = self.live[0].number if self.mark is None else self.mark + 1
        return tuple(sorted(set(range(first, self.last_number)) - {one.number for one in self.live}))


def pack(text: bytes, number: int, size: int = PLACE_BYTES) -> bytes:
    """A block of `size` bytes. Raises ValueError when the text does not fit."""
    if len(text) > size - _HEAD.size:
        raise ValueError(f"{len(text)} bytes do not fit into {size - _HEAD.size}")
    return _HEAD.pack(_MAGIC, _checksum(number, text), len(text), number) + text.ljust(size - _HEAD.size, b"\0")


def unpack(block: bytes) -> tuple[int, bytes] | None:
    """(number, text), or None when the block is not as it was written."""
    magic, checksum, length, number = _HEAD.unpack_from(block)
    text, rest = block[_HEAD.size : _HEAD.size + length], block[_HEAD.size + length :]
    if magic != _MAGIC or len(text) != length or checksum != _checksum(number, text) or rest.strip(b"\0"):
        return None
    return number, text


def _checksum(number: int, text: bytes) -> int:
    return zlib.crc32(text, zlib.crc32(number.to_bytes(8, "big") + len(text).to_bytes(2, "big")))


@lru_cache(maxsize=4)  # every picture of the venue asks, and the bytes are nearly always the same
def parse(data: bytes) -> Content:
    """Reads what it can of a file's bytes; one that is too short ends in zeros."""
    data = data[:SIZE_BYTES].ljust(SIZE_BYTES, b"\0")
    bad: list[tuple[int, bytes]] = []
    found: list[Block] = []
    empty: list[int] = []
    regions = [(0, _HEADER_BYTES)] + [(at, PLACE_BYTES) for at in range(_MARK_AT, SIZE_BYTES, PLACE_BYTES)]
    for offset, size in regions:
        block = data[offset : offset + size]
        if not block.strip(b"\0"):
            empty.append(offset)
        elif (read := unpack(block)) is None:
            bad.append((offset, block))
        else:
            found.append(Block(offset, *read))
    first = FIRST * PLACE_BYTES
    header = next((one.text for one in found if one.offset == 0), None)
    mark = next((one.number for one in found if one.offset == _MARK_AT), None)
    records = [one for one in found if one.offset >= first]
    live = sorted((one for one in records if one.number > (mark or 0)), key=lambda one: one.number)
    # Void ones are what a crash left of a clear. What cannot be read is written over last: it may be evidence.
    open_places = [at for at in empty if at >= first] + [one.offset for one in records if one.number <= (mark or 0)]
    after = live[-1].offset if live else 0
    open_places.sort(key=lambda at: (at <= after, at))
    open_places += [at for at, _ in bad if at >= first]
    return Content(header, mark, tuple(live), tuple(bad), tuple(open_places))


@contextmanager
def opened(path: Path, *, write: bool, create: bool = False, wait_ms: int | None = None) -> Iterator[int]:
    """A handle on the file under its lock. Raises OSError; TimeoutError when the lock is not to be had in time."""
    flags = (os.O_RDWR if write else os.O_RDONLY) | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    handle = os.open(path, flags, 0o600)
    try:
        _lock(handle, fcntl.LOCK_EX if write else fcntl.LOCK_SH, wait_ms)
        yield handle
    finally:
        os.close(handle)  # and with it the lock


def _lock(handle: int, how: int, wait_ms: int | None) -> None:
    bound_ms = wait_ms if wait_ms is not None else WRITE_WAIT_MS if how == fcntl.LOCK_EX else READ_WAIT_MS
    end_ns = time.monotonic_ns() + bound_ms * 1_000_000
    while True:
        try:
            fcntl.flock(handle, how | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic_ns() >= end_ns:
                raise TimeoutError(
                    errno.ETIMEDOUT, f"another process has held it locked for {bound_ms / 1000:g} s"
                ) from None
        time.sleep(_RETRY_SECONDS)


def read(handle: int) -> bytes:
    """All of the file that is ours to read."""
    data = b""
    while len(data) < SIZE_BYTES and (part := os.pread(handle, SIZE_BYTES - len(data), len(data))):
        data += part
    return data


def write(handle: int, data: bytes, offset: int) -> None:
    while data:
        done = os.pwrite(handle, data, offset)
        data, offset = data[done:], offset + done


def allocate(handle: int) -> bool:
    """Gives the file its full size in real blocks, keeping what it holds. True when there was anything to do."""
    status = os.fstat(handle)
    if status.st_size >= SIZE_BYTES and status.st_blocks * 512 >= SIZE_BYTES:
        return False
    write(handle, read(handle).ljust(SIZE_BYTES, b"\0"), 0)
    return True


def write_header(handle: int, text: bytes) -> None:
    write(handle, pack(text, 0, _HEADER_BYTES), 0)


def write_mark(handle: int, number: int) -> None:
    write(handle, pack(b"", number), _MARK_AT)


def erase(handle: int, offset: int) -> None:
    write(handle, bytes(_HEADER_BYTES if offset == 0 else PLACE_BYTES), offset)


def place_of(offset: int) -> str:
    """A place in words."""
    if offset < FIRST * PLACE_BYTES:
        return "the mark" if offset == _MARK_AT else "the header"
    return f"record place {offset // PLACE_BYTES - FIRST + 1}"
