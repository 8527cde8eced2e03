"""JPEG markers (ITU-T T.81, annex B), read without decoding a pixel.

A progressive JPEG at 1/8 scale needs only the DC coefficients. They stand in the first scans, so
the file can be cut after them: ``dc_prefix_length``. A first DC scan may hold luma alone; the cut
comes only when every component has had one, else the picture would be grey.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from shard.imaging import jpeg_flat

EOI = b"\xff\xd9"

_SOF_BASELINE, _SOF_EXTENDED, _SOF_PROGRESSIVE = 0xC0, 0xC1, 0xC2
_SOF_ARITHMETIC, _SOF_ARITHMETIC_PROGRESSIVE = 0xC9, 0xCA
_DECODABLE = {
    _SOF_BASELINE,
    _SOF_EXTENDED,
    _SOF_PROGRESSIVE,
    _SOF_ARITHMETIC,
    _SOF_ARITHMETIC_PROGRESSIVE,
}
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # without DHT, JPG, DAC
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
_SOS, _EOI, _APP1, _APP2 = 0xDA, 0xD9, 0xE1, 0xE2
_ICC = b"ICC_PROFILE\x00"
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


@dataclass(frozen=True, slots=True)
class Sampling:
    """A component's sampling factors: 2x2 for luma and 1x1 for chroma is 4:2:0."""

    across: int
    down: int


@dataclass(slots=True)
class JpegHeader:
    """What stands before the first scan."""

    width: int = 0
    height: int = 0
    components: tuple[int, ...] = ()
    sampling: tuple[Sampling, ...] = ()
    precision: int = 8
    frame: int = 0
    exif: bytes | None = None
    icc_parts: dict[int, bytes] = field(default_factory=dict)
    scan_at: int = 0

    @property
    def progressive(self) -> bool:
        """Whether coefficients come in several scans of growing precision."""
        return self.frame in (_SOF_PROGRESSIVE, _SOF_ARITHMETIC_PROGRESSIVE)

    @property
    def arithmetic(self) -> bool:
        """Whether coefficients are coded arithmetically, which few decoders know."""
        return self.frame in (_SOF_ARITHMETIC, _SOF_ARITHMETIC_PROGRESSIVE)

    @property
    def decodable(self) -> bool:
        """Whether this frame type is one that decoders know (not lossless, not hierarchical)."""
        return self.frame in _DECODABLE

    @property
    def icc(self) -> bytes | None:
        """The ICC profile, joined from its numbered parts."""
        return b"".join(part for _, part in sorted(self.icc_parts.items())) or None


def read_header(data: bytes) -> JpegHeader | None:
    """Return the header, ``None`` if no scan begins in ``data`` (then it is cut, or no JPEG)."""
    header = JpegHeader()
    at = 2
    while (found := _segment(data, at)) is not None:
        marker, start, end = found
        if marker == _EOI:
            return None
        if marker in _FRAMES and not header.frame:
            _read_frame(header, marker, data[start:end])
        elif marker == _APP1 and header.exif is None and data.startswith(b"Exif\x00\x00", start):
            header.exif = data[start:end]
        elif marker == _APP2 and data.startswith(_ICC, start):
            header.icc_parts[data[start + 12]] = data[start + 14 : end]
        elif marker == _SOS:
            header.scan_at = start - 4
            return header if header.frame else None
        at = end
    return None


def is_complete(data: bytes, header: JpegHeader) -> bool:
    """Tell whether an end-of-image marker stands after the first scan (none does before)."""
    return data.rfind(EOI) > header.scan_at


def dc_prefix_length(head: bytes) -> int | None:
    """Return how many first bytes of a progressive JPEG hold all that a 1/8 decode needs.

    ``head`` is the file or its beginning. ``None``: not progressive, or ``head`` is too short to
    tell. The prefix plus ``EOI`` is a JPEG.
    """
    header = read_header(head)
    found = _dc_scans(head, header) if header else None
    return found[0] if found else None


def dc_cut(head: bytes) -> bytes | None:
    """Return the JPEG that only the DC scans of ``head`` make; see ``dc_prefix_length``."""
    length = dc_prefix_length(head)
    return None if length is None else head[:length] + EOI


def flat_cut(data: bytes, header: JpegHeader) -> bytes | None:
    """Return ``dc_cut``, completed by ``jpeg_flat``; ``None`` also for arithmetic coding."""
    found = None if header.arithmetic else _dc_scans(data, header)
    if found is None:
        return None
    length, cut_bits = found
    return data[:length] + jpeg_flat.scans(header, cut_bits) + EOI


def _dc_scans(head: bytes, header: JpegHeader) -> tuple[int, dict[int, int]] | None:
    """Return where the DC scans end, and how many low bits each component still lacks there."""
    if not header.progressive:
        return None
    cut_bits: dict[int, int] = {}
    at = header.scan_at
    while (found := _segment(head, at)) is not None:
        marker, start, end = found
        if marker == _EOI:
            return None
        at = end
        if marker != _SOS:
            continue
        after = _NEXT_MARKER.search(head, end)
        if after is None:
            return None
        at = after.start()
        cut_bits |= _first_dc(head[start:end])
        if cut_bits.keys() >= set(header.components):
            return at, cut_bits
    return None


def _segment(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Return (marker, start, end) of the next marker's payload; rubbish before it is skipped."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return None
        marker = data[at + 1]
        if marker == _EOI:
            return marker, at + 2, at + 2
        if marker in (0x00, 0xFF) or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2  # noqa: PLR2004 - a fill byte
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end < at + 4 or end > len(data):
            return None
        return marker, at + 4, end


def _read_frame(header: JpegHeader, marker: int, payload: bytes) -> None:
    if len(payload) < 6:  # noqa: PLR2004 - up to the number of components
        return
    header.frame = marker
    header.precision = payload[0]
    header.height = int.from_bytes(payload[1:3], "big")
    header.width = int.from_bytes(payload[3:5], "big")
    header.components = tuple(payload[6 : 6 + 3 * payload[5] : 3])
    factors = payload[7 : 6 + 3 * payload[5] : 3]
    header.sampling = tuple(Sampling(max(1, both >> 4), max(1, both & 15)) for both in factors)


def _first_dc(scan: bytes) -> dict[int, int]:
    """Return component -> low bits left out, if the scan with this header is a first DC scan."""
    count = scan[0] if scan else 0
    if len(scan) < 4 + 2 * count:
        return {}
    spectral_start, approximation = scan[1 + 2 * count], scan[3 + 2 * count]
    if spectral_start or approximation >> 4:
        return {}
    return dict.fromkeys(scan[1 : 1 + 2 * count : 2], approximation & 15)
