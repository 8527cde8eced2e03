"""Scans that say "nothing more to see", to follow the DC scans of a JPEG that was cut after them.

Two things are missing from such a file, and each costs about 5 dB at 1/8:

* The AC coefficients. libjpeg takes them for not yet arrived and blurs the picture over five
  blocks (its smoothing of unfinished progressive files), which also takes longer than the decode.
  So each component gets an AC scan of empty blocks.
* The last bit of DC (successive approximation), cut off towards black and towards green. So each
  component gets a refinement scan whose bits are a chequerboard: right on average, and gone when
  the image is halved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shard.imaging.jpeg_scan import JpegHeader

_LONGEST = 14
_TABLE = bytes([0, 0, 0, 15, *[0] * 12, *(run << 4 for run in range(_LONGEST + 1))])
"""A Huffman table (T.81, B.2.4.2) of 15 codes of 4 bits: code n is EOBn, 2**n or more blocks."""
_HUFFMAN = b"\xff\xc4" + (len(_TABLE) + 3).to_bytes(2, "big") + b"\x10" + _TABLE


def scans(header: JpegHeader, cut_bits: Mapping[int, int]) -> bytes:
    """Return what completes DC scans whose components each lack ``cut_bits[component]`` bits."""
    across = max(factors.across for factors in header.sampling)
    down = max(factors.down for factors in header.sampling)
    out = [_HUFFMAN]
    for component, factors in zip(header.components, header.sampling, strict=True):
        columns = _blocks(header.width, factors.across, across)
        rows = _blocks(header.height, factors.down, down)
        if bits := cut_bits[component]:
            out += [_scan(component, 0, 0, bits << 4 | bits - 1), _chequered(columns, rows)]
        out += [_scan(component, 1, 63, 0), _empty(columns * rows)]
    return b"".join(out)


def _scan(component: int, first: int, last: int, approximation: int) -> bytes:
    """Return the header of a scan of one component (T.81, B.2.3)."""
    return bytes([0xFF, 0xDA, 0, 8, 1, component, 0, first, last, approximation])


def _blocks(side: int, factor: int, largest: int) -> int:
    """Return how many blocks a component has along a side (T.81, A.1.1 and A.2.2)."""
    samples = -(-side * factor // largest)
    return -(-samples // 8)


def _chequered(columns: int, rows: int) -> bytes:
    """Return one bit a block (T.81, G.1.2.1): 0 and 1 in turn, along rows and down columns."""
    pattern = "01" * (columns // 2 + 1)
    two_rows = pattern[:columns] + pattern[1 : columns + 1]
    return _packed(two_rows * (rows // 2) + pattern[: columns * (rows % 2)])


def _empty(blocks: int) -> bytes:
    """Return the AC data of that many empty blocks (T.81, G.1.2.2)."""
    bits = ""
    while blocks:
        run = min(_LONGEST, blocks.bit_length() - 1)
        extra = min(blocks, (2 << run) - 1) - (1 << run)
        bits += f"{run:04b}" + (f"{extra:0{run}b}" if run else "")
        blocks -= (1 << run) + extra
    return _packed(bits)


def _packed(bits: str) -> bytes:
    """Return bits as bytes, padded with ones and stuffed (T.81, B.1.1.5 and F.1.2.3)."""
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")
