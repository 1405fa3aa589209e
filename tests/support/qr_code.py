"""Reads an undamaged QR code (ISO/IEC 18004), as the drawing of a page has it: versions 1 to 9, bytes.

A camera's work (finding, straightening, correcting errors) is left out: what is tested is what the modules say.
"""

import re
from collections.abc import Iterator
from typing import Final

_MASK_OF_FORMAT: Final = 0x5412
# By level as the format has it, and by version: codewords of error correction in a block, and how many blocks.
_LEVELS: Final = {
    0b01: ((7, 10, 15, 20, 26, 18, 20, 24, 30), (1, 1, 1, 1, 1, 2, 2, 2, 2)),
    0b00: ((10, 16, 26, 18, 24, 16, 18, 22, 22), (1, 1, 1, 2, 2, 4, 4, 4, 5)),
    0b11: ((13, 22, 18, 26, 18, 24, 18, 22, 20), (1, 1, 2, 2, 4, 4, 6, 6, 8)),
    0b10: ((17, 28, 22, 16, 22, 28, 26, 26, 24), (1, 1, 2, 4, 4, 4, 5, 6, 8)),
}
_BYTES: Final = 0b0100

Matrix = list[list[bool]]


def read_drawing(path: str, side: int, quiet_zone: int = 4) -> str:
    """The text of a code that is drawn as ``M<x> <y>h1v1h-1z`` for each dark module, in a square of that side."""
    dark = {(int(x), int(y)) for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", path)}
    inner = range(quiet_zone, side - quiet_zone)
    assert all(x in inner and y in inner for x, y in dark), "the zone around the code is not quiet"
    return read([[(x, y) in dark for x in inner] for y in inner])


def read(modules: Matrix) -> str:
    """The text of those modules, rows from above, without a quiet zone."""
    size = len(modules)
    version = (size - 17) // 4
    spots = [(x, 8) for x in (0, 1, 2, 3, 4, 5, 7, 8)] + [(8, y) for y in (7, 5, 4, 3, 2, 1, 0)]
    form = _number(modules[y][x] for x, y in spots) ^ _MASK_OF_FORMAT
    bits = [modules[y][x] ^ _is_masked(form >> 10 & 0b111, x, y) for x, y in _data_modules(size, version)]
    codewords = [_number(bits[at : at + 8]) for at in range(0, len(bits) - 7, 8)]
    in_block, blocks = (table[version - 1] for table in _LEVELS[form >> 13])
    data = _in_order(codewords, in_block, blocks)
    stream = "".join(f"{word:08b}" for word in data)
    assert int(stream[:4], 2) == _BYTES
    length = int(stream[4:12], 2)
    return bytes(int(stream[at : at + 8], 2) for at in range(12, 12 + 8 * length, 8)).decode()


def _number(bits: Iterator[bool] | list[bool]) -> int:
    return int("".join("1" if bit else "0" for bit in bits), 2)


def _data_modules(size: int, version: int) -> Iterator[tuple[int, int]]:
    """Two columns at a time from the right, upwards and downwards in turns, past what has another purpose."""
    centres = [] if version == 1 else [6, size - 7] if version < 7 else [6, size // 2, size - 7]
    corners = {(6, 6), (6, size - 7), (size - 7, 6)}
    aligned = [(x, y) for x in centres for y in centres if (x, y) not in corners]
    upwards = True
    for right in (*range(size - 1, 7, -2), 5, 3, 1):
        for y in range(size - 1, -1, -1) if upwards else range(size):
            for x in (right, right - 1):
                if not _is_reserved(x, y, size, version, aligned):
                    yield x, y
        upwards = not upwards


def _is_reserved(x: int, y: int, size: int, version: int, aligned: list[tuple[int, int]]) -> bool:
    is_finder = (x < 9 and y < 9) or (x >= size - 8 and y < 9) or (x < 9 and y >= size - 8)
    is_version = version >= 7 and ((x >= size - 11 and y < 6) or (y >= size - 11 and x < 6))
    is_aligned = any(abs(x - centre_x) <= 2 and abs(y - centre_y) <= 2 for centre_x, centre_y in aligned)
    return is_finder or is_version or is_aligned or 6 in {x, y}


def _is_masked(mask: int, x: int, y: int) -> bool:
    remainders = (
        (x + y) % 2, y % 2, x % 3, (x + y) % 3, (x // 3 + y // 2) % 2, x * y % 2 + x * y % 3,
        (x * y % 2 + x * y % 3) % 2, ((x + y) % 2 + x * y % 3) % 2,
    )  # fmt: skip
    return remainders[mask] == 0


def _in_order(codewords: list[int], correction: int, blocks: int) -> list[int]:
    """The codewords of data of one block after the other; they are written in turns. Later blocks may have one more."""
    short, longer = len(codewords) // blocks - correction, len(codewords) % blocks
    sizes = [short + (number >= blocks - longer) for number in range(blocks)]
    turns = iter(codewords)
    found: list[list[int]] = [[] for _ in range(blocks)]
    for turn in range(max(sizes)):
        for number, size in enumerate(sizes):
            if turn < size:
                found[number].append(next(turns))
    return [word for block in found for word in block]
