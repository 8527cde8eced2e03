"""Which HDU, or HDUs, a frame's picture is made of: chosen by headers alone, held to the limits."""

from __future__ import annotations

import errno
import io
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shard.errors import ImageError
from shard.imaging.fits import gzipped
from shard.imaging.fits.library import fits, silent
from shard.imaging.fits.rows import HduRows, MosaicRows, Rows, section, tile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shard.model import Limits
    from shard.planning.fits import FitsOptions

_DIMENSIONS = 2
_NAMED = 12
"""HDUs that an error names."""
_OWN = frozenset(
    {
        *("SIMPLE", "XTENSION", "BITPIX", "NAXIS", "EXTEND", "PCOUNT", "GCOUNT", "GROUPS"),
        *("BZERO", "BSCALE", "BLANK", "EXTNAME", "EXTVER", "CHECKSUM", "DATASUM", "COMMENT"),
        *("HISTORY", "", "INHERIT", "NEXTEND"),
    }
)
"""Cards of the primary header that say nothing about another HDU."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One 2-D image of a FITS file, its pixels not yet read.

    ``header`` has the primary header's cards where the HDU's own has none. ``planes`` are those of
    the cube that it is one of, ``end`` is where its data end, in bytes of the (inflated) file;
    ``inflated`` are the bytes that must be inflated for it, 0 for a file that is not gzipped.
    """

    rows: Rows
    header: Any
    planes: int = 1
    end: int = 0
    inflated: int = 0
    notes: tuple[str, ...] = ()


@contextmanager
def described(file: bytes | Path, options: FitsOptions, limits: Limits) -> Iterator[Frame]:
    """Choose the frame by the headers; of a gzipped file only what comes before is inflated.

    The pixels of a gzipped file cannot be read from it: see ``opened``. Raises ``ImageError``.
    """
    if not gzipped.is_gzip(file):
        with opened(file, options, limits, lenient=True) as frame:
            yield frame
        return
    with silent(), gzipped.Forward(file, limits.max_bytes) as stream, _hdus(stream) as hdus:
        frame = _chosen(hdus, options, limits)
        if frame.end > limits.max_bytes:
            raise ImageError(
                "too_many_bytes",
                f"inflated, this gzipped FITS file has {frame.end} bytes up to its image's end, "
                f"as its headers say; accepted: up to {limits.max_bytes}",
            )
        yield Frame(frame.rows, frame.header, frame.planes, frame.end, frame.end, frame.notes)


@contextmanager
def opened(
    file: bytes | Path, options: FitsOptions, limits: Limits, *, lenient: bool = False
) -> Iterator[Frame]:
    """Choose the frame, ready to read: files are mapped, gzipped ones inflated up to its end.

    Raises ``ImageError``: ``not_an_image``, ``truncated`` (unless ``lenient``: what is missing is
    then without value), ``too_many_pixels``, ``too_many_bytes``, ``too_many_frames`` (HDUs).
    """
    content: bytes | Path = file
    if gzipped.is_gzip(file):
        with described(file, options, limits) as frame:
            end = frame.end
        content = gzipped.inflate(file, end)
    size = content.stat().st_size if isinstance(content, Path) else len(content)
    stream = content if isinstance(content, Path) else io.BytesIO(content)
    with silent(), _hdus(stream) as hdus:
        frame = _chosen(hdus, options, limits, size)
        if frame.end > size and not lenient:
            raise ImageError(
                "truncated",
                f"the image's data end at byte {frame.end}, the file at {size}",
            )
        frame.rows.limit(size)
        yield frame


@contextmanager
def _hdus(stream: Any) -> Iterator[Any]:
    """Open a FITS file, HDU by HDU as they are asked for; integers are scaled, BLANK is NaN."""
    try:
        hdus = fits().open(stream, mode="readonly", lazy_load_hdus=True, uint=False)
    except KeyError as error:
        raise ImageError("corrupt", f"the first header has no {error.args[0]}") from error
    except (OverflowError, OSError) as error:
        if isinstance(error, OverflowError) or error.errno == errno.EINVAL:
            said = "no file has as many bytes as the first header says (BITPIX, NAXIS1, ...)"
            raise ImageError("corrupt", said) from error
        if "END card" in str(error) or "Empty" in str(error):
            raise ImageError("truncated", "the file ends in its first header") from error
        raise
    with hdus:
        yield hdus


def _walk(hdus: Any, limits: Limits) -> Iterator[tuple[int, Any]]:
    """Yield number and HDU; what lies after a damaged header is not found."""
    for number in range(limits.max_frames + 1):
        try:
            hdu = hdus[number]
        except (IndexError, OSError, ValueError):
            return
        if number == limits.max_frames:
            raise ImageError(
                "too_many_frames", f"more than {limits.max_frames} HDUs; accepted: up to that many"
            )
        yield number, hdu


def _chosen(hdus: Any, options: FitsOptions, limits: Limits, size: int | None = None) -> Frame:
    primary = hdus[0].header
    if options.mosaic and (frame := _mosaic(hdus, primary, limits)) is not None:
        return frame
    met: list[str] = []
    last = 0
    for number, hdu in _walk(hdus, limits):
        asked = options.hdu is None or _is_asked(number, hdu, options.hdu)
        if asked and _is_image(hdu):
            notes = ("no_detsec",) if options.mosaic else ()
            return _frame(hdu, primary, options, notes)
        met.append(f"{number} {_kind(hdu)}")
        last = _end(hdu)
        if asked and options.hdu is not None:
            raise ImageError("not_an_image", f"hdu={options.hdu} is no 2-D image: {met[-1]}")
    if size is not None and last > size:
        raise ImageError("truncated", f"HDU {met[-1]} ends at byte {last}, the file at {size}")
    said = ", ".join(met[:_NAMED]) + (f" and {len(met) - _NAMED} more" if met[_NAMED:] else "")
    sought = "2-D image" if options.hdu is None else f"HDU {options.hdu}"
    raise ImageError("not_an_image", f"this FITS file has no {sought}; its HDUs: {said}")


def _is_asked(number: int, hdu: Any, asked: int | str) -> bool:
    if isinstance(asked, int):
        return number == asked
    name, colon, version = asked.rpartition(":")
    if not colon or not version.isdigit():
        name, version = asked, ""
    return str(hdu.name).upper() == name and (not version or int(hdu.ver) == int(version))


def _is_image(hdu: Any) -> bool:
    """Tell whether an HDU holds at least one plane with pixels; random groups do not."""
    library = fits()
    kinds = (library.PrimaryHDU, library.ImageHDU, library.CompImageHDU)
    if not isinstance(hdu, kinds) or isinstance(hdu, library.GroupsHDU):
        return False
    return len(hdu.shape) >= _DIMENSIONS and all(length > 0 for length in hdu.shape)


def _kind(hdu: Any) -> str:
    """Say what an HDU is, for a person."""
    library = fits()
    name = f"{hdu.name} " if hdu.name and hdu.name != "PRIMARY" else ""
    if isinstance(hdu, library.GroupsHDU):
        return f"{name}random groups"
    if isinstance(hdu, library.BinTableHDU):
        return f"{name}binary table"
    if isinstance(hdu, library.TableHDU):
        return f"{name}ASCII table"
    shape = getattr(hdu, "shape", None)
    if shape is None:
        return f"{name}damaged, or of no known kind"
    return f"{name}without data" if not shape else f"{name}{'x'.join(map(str, shape[::-1]))} values"


def _end(hdu: Any) -> int:
    """Return where an HDU's data end, in bytes of the file; padding does not count."""
    of = getattr(hdu, "_bintable", None) or hdu  # a compressed image's data are its table's
    if not hasattr(of, "fileinfo"):
        return 0  # damaged: astropy knows nothing of it
    info = of.fileinfo()
    return int(info["datLoc"]) + int(of.size) if info else 0


def _frame(hdu: Any, primary: Any, options: FitsOptions, notes: tuple[str, ...]) -> Frame:
    planes = 1
    for length in hdu.shape[:-2]:
        planes *= length
    if options.plane is not None and options.plane > planes:
        raise ImageError(
            "not_an_image",
            f"plane={options.plane} is not there: accepted of this image: 1 to {planes}",
        )
    plane = planes // 2 if options.plane is None else options.plane - 1
    return Frame(HduRows(hdu, plane), merged(hdu.header, primary), planes, _end(hdu), notes=notes)


def _mosaic(hdus: Any, primary: Any, limits: Limits) -> Frame | None:
    """Lay all 2-D images that say their section of the detector side by side."""
    tiles, header, end = [], None, 0
    for _, hdu in _walk(hdus, limits):
        if not _is_image(hdu) or len(hdu.shape) != _DIMENSIONS:
            continue
        on_detector = section(hdu.header.get("DETSEC"))
        if on_detector is None:
            continue
        tiles.append(tile(HduRows(hdu, 0), on_detector, section(hdu.header.get("DATASEC"))))
        header = header or merged(hdu.header, primary)
        end = max(end, _end(hdu))
    if header is None:
        return None
    rows = MosaicRows(tiles)
    return Frame(rows, rows.on_canvas(header), end=end)


def merged(header: Any, primary: Any) -> Any:
    """Return an HDU's header with the primary's cards added where it has none of that name."""
    whole = header.copy()
    if header is primary:
        return whole
    for card in primary.cards:
        name = card.keyword
        if name not in _OWN and not name.startswith("NAXIS") and name not in whole:
            whole.append(card)
    return whole
