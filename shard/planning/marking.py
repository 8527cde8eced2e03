"""Which uploads get a marker, and which of two markers of one key stays."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from shard.errors import SettingError
from shard.planning.inputs import Judgement
from shard.planning.location import Location, parse_location
from shard.planning.markers import (
    EXTENSIONS,
    FAILED,
    PREFIX,
    Marker,
    MarkerError,
    Rules,
    check_prefix,
    folder_of,
    is_marker,
    marker_key,
    read_marker,
)
from shard.planning.upload_events import BadEvent, ObjectEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST: Final = 1024
"""Bytes of UTF-8 in a key, on S3 and on GCS."""
_STORES: Final = ("s3", "gs")
_BUCKET: Final = "a bucket's name, s3://bucket or gs://bucket"
_OUTPUT: Final = f"{_BUCKET}, perhaps with a /prefix"


@dataclass(frozen=True, slots=True)
class EventSettings:
    """How events become markers.

    ``source``: the one bucket whose uploads count, ``None`` for any. ``output``: where pyramids
    go. ``prefix``: where markers lie in ``process``. ``rules``: which keys want a pyramid.
    """

    process: Location
    source: Location | None = None
    output: Location | None = None
    prefix: str = PREFIX
    rules: Rules = field(default_factory=Rules)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> EventSettings:
        """Read the variables; a bucket by name alone is one of S3.

        ====================  ======================================  ====================
        variable              meaning                                 default
        ====================  ======================================  ====================
        ``PROCESS_BUCKET``    where markers are written               (must be given)
        ``RBSC_BUCKET``       whose uploads count                     any bucket
        ``IMAGE_BUCKET``      where pyramids go: they never trigger   (none)
        ``MARKER_PREFIX``     before each marker's key                ``rbsc/``
        ``SOURCE_PREFIXES``   keys begin with one of these, by comma  any key
        ``EXTENSIONS``        of the keys, by comma                   ``markers.EXTENSIONS``
        ====================  ======================================  ====================

        Raises ``SettingError``.
        """
        process = _location(environ, "PROCESS_BUCKET", _BUCKET)
        if process is None:
            raise SettingError("PROCESS_BUCKET", None, _BUCKET)
        source = _location(environ, "RBSC_BUCKET", _BUCKET)
        output = _location(environ, "IMAGE_BUCKET", _OUTPUT)
        if output is not None and source == output.root and not output.prefix:
            accepted = "another bucket than RBSC_BUCKET, or a prefix in it: pyramids never trigger"
            raise SettingError("IMAGE_BUCKET", environ["IMAGE_BUCKET"], accepted)
        extensions = tuple(word.lower().removeprefix(".") for word in _words(environ, "EXTENSIONS"))
        prefixes = _words(environ, "SOURCE_PREFIXES")
        return cls(
            process=process,
            source=source,
            output=output,
            prefix=check_prefix(environ.get("MARKER_PREFIX") or PREFIX, "MARKER_PREFIX"),
            rules=Rules(extensions or EXTENSIONS, prefixes),
        )

    def judge(self, event: ObjectEvent) -> Judgement:
        """Judge an upload; the first row that fits counts.

        ==============================================================  ============
        the object is                                                   reason
        ==============================================================  ============
        a marker, or one that failed, in the process bucket             marker
        below the output                                                output
        not in the source's bucket                                      other_bucket
        anything else                                                   ``Rules.judge``
        ==============================================================  ============
        """
        if event.bucket == self.process.bucket and any(
            is_marker(event.key, prefix) for prefix in (self.prefix, FAILED + self.prefix)
        ):
            return Judgement(False, "marker")
        if self._is_output(event):
            return Judgement(False, "output")
        if self.source is not None and event.bucket != self.source.bucket:
            return Judgement(False, "other_bucket")
        return self.rules.judge(event.key)

    def _is_output(self, event: ObjectEvent) -> bool:
        if self.output is None or event.bucket != self.output.bucket:
            return False
        return not self.output.prefix or event.key.startswith(self.output.prefix + "/")

    def marker(self, event: ObjectEvent) -> tuple[str, Marker]:
        """Return the marker of an upload and its own key.

        Raises ``BadEvent`` if no marker can say or hold the key.
        """
        marker = Marker(
            key=event.key,
            path=folder_of(event.key),
            etag=event.etag,
            bucket=event.bucket,
            size=event.size,
            time=event.time,
            sequence=event.sequence,
        )
        try:
            read_marker(marker.to_json())
        except MarkerError as error:
            raise BadEvent(
                f"{event.key!r} in {event.bucket} can have no marker: {error}"
            ) from error
        place = marker_key(self.prefix, event.key)
        if (length := len(place.encode())) > _LONGEST:
            raise BadEvent(
                f"the marker's key of {event.key!r} has {length} bytes; accepted: {_LONGEST}"
            )
        return place, marker


def supersedes(new: Marker, old: Marker) -> Judgement:
    """Judge whether an upload's marker takes the place of the one that is there.

    ===============================================  ========  =========
    the two                                          accepted  reason
    ===============================================  ========  =========
    both tell a sequence, the new one is larger      yes       newer
    ... equal                                        no        duplicate
    ... smaller                                      no        older
    both tell the same ETag                          no        duplicate
    both tell a time, the new one is smaller         no        older
    any other: better once too often than never      yes       newer
    ===============================================  ========  =========

    S3's sequencers are hexadecimal and of unequal length: the shorter one is filled with zeros on
    the right, then they compare as text (Amazon S3's user guide, "Event message structure").
    Raises ``BadEvent`` where the marker there is of another bucket: neither may be lost.
    """
    if new.bucket and old.bucket and new.bucket != old.bucket:
        raise BadEvent(
            f"{new.key!r} in {new.bucket} has the marker's key of the one in {old.bucket}; "
            "accepted: one source bucket for each MARKER_PREFIX (set RBSC_BUCKET)"
        )
    if new.sequence and old.sequence:
        width = max(len(new.sequence), len(old.sequence))
        ours, theirs = (m.sequence.upper().ljust(width, "0") for m in (new, old))
        if ours == theirs:
            return Judgement(False, "duplicate")
        return Judgement(True, "newer") if ours > theirs else Judgement(False, "older")
    if new.etag and new.etag == old.etag:
        return Judgement(False, "duplicate")
    ours_at, theirs_at = _moment(new.time), _moment(old.time)
    if ours_at is not None and theirs_at is not None and ours_at < theirs_at:
        return Judgement(False, "older")
    return Judgement(True, "newer")


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _words(environ: Mapping[str, str], variable: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in environ.get(variable, "").split(",") if word.strip())


def _location(environ: Mapping[str, str], variable: str, accepted: str) -> Location | None:
    """Read a bucket by name or URL; ``None`` where the variable is empty."""
    text = environ.get(variable, "")
    if not text:
        return None
    place = parse_location(text if "://" in text else f"s3://{text}", variable)
    if place.scheme not in _STORES or (place.prefix and accepted == _BUCKET):
        raise SettingError(variable, text, accepted)
    return place
