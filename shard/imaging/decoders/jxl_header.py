"""Size and extra channels of a JPEG XL image, from its first bytes (ISO/IEC 18181-1, annex D).

The plug-in decodes all pixels as it opens a file: too late to refuse a bomb.
"""

from __future__ import annotations

from shard.errors import ImageError

_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_LENGTHS = (9, 13, 18, 30)
_MAX_BOXES = 64
_ENOUGH = 64
"""Bytes that hold all that is read here."""


class _Bits:
    """Bits of a codestream, least significant first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def read(self, count: int) -> int:
        """Return the next ``count`` bits."""
        if count > self._left:
            raise ImageError("truncated", "the JPEG XL header is cut off")
        value = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return value


def read(data: bytes) -> tuple[int, int, bool]:
    """Return width, height, and whether there is a channel beyond colour (taken for alpha)."""
    bits = _Bits(_codestream(data)[2:])
    width, height = _size(bits)
    if bits.read(1):  # all_default
        return width, height, False
    if bits.read(1):  # extra_fields
        bits.read(3)  # orientation: libjxl applies it
        if bits.read(1):  # have_intrinsic_size
            _size(bits)
        if bits.read(1):  # have_preview: nobody writes one; what follows is not worth a parser
            return width, height, False
        if bits.read(1):  # have_animation
            _animation(bits)
    if bits.read(1):  # float_sample
        _number(bits, (32, 16, 24, (1, 6)))
        bits.read(4)  # exp_bits
    else:
        _number(bits, (8, 10, 12, (1, 6)))
    bits.read(1)  # modular_16bit_buffers
    return width, height, _number(bits, (0, 1, (2, 4), (1, 12))) > 0


def _number(bits: _Bits, choices: tuple[int | tuple[int, int], ...]) -> int:
    """Read a U32: two bits choose a constant or (offset, bits that follow)."""
    choice = choices[bits.read(2)]
    return choice if isinstance(choice, int) else choice[0] + bits.read(choice[1])


def _animation(bits: _Bits) -> None:
    _number(bits, (100, 1000, (1, 10), (1, 30)))  # ticks a second, numerator
    _number(bits, (1, 1001, (1, 8), (1, 10)))  # and denominator
    _number(bits, (0, (0, 3), (0, 16), (0, 32)))  # loops
    bits.read(1)  # have_timecodes


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits.read(1)
    height = 8 * (bits.read(5) + 1) if small else bits.read(_LENGTHS[bits.read(2)]) + 1
    ratio = bits.read(3)
    if ratio:
        numerator, denominator = _RATIOS[ratio]
        return height * numerator // denominator, height
    width = 8 * (bits.read(5) + 1) if small else bits.read(_LENGTHS[bits.read(2)]) + 1
    return width, height


def _codestream(data: bytes) -> bytes:
    """Return the codestream's beginning, out of its container if it is in one."""
    if data.startswith(b"\xff\x0a"):
        return data[:_ENOUGH]
    at = 0
    for _ in range(_MAX_BOXES):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        start = at + 8
        if length == 1:
            length, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        if kind == b"jxlc":
            return data[start : start + _ENOUGH]
        if kind == b"jxlp":
            return data[start + 4 : start + 4 + _ENOUGH]
        if length < 8:  # noqa: PLR2004 - 0: to the end of the file; less is damage
            break
        at += length
    raise ImageError("corrupt", "no JPEG XL codestream in the container")
