"""The service's settings: its own table of variables; thumbnails are set as those of the batch."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shard.errors import SettingError
from shard.planning.frame_settings import FRAME_VARIABLES, FrameSettings
from shard.planning.marking import EventSettings
from shard.planning.settings import VARIABLES, TaskSettings
from shard.planning.thumb_settings import THUMB_VARIABLES, ThumbSettings
from shard.planning.variables import Reader, Variable

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICE_VARIABLES = (
    Variable("HOST", "127.0.0.1", "address to listen at; 0.0.0.0 for all (so in the image)"),
    Variable("PORT", "8080", "port to listen at; 0 for any that is free"),
    Variable("PROCESSES", "1", "server processes, which share cores and memory"),
    Variable("THUMB_SOURCES", None, "several sources: name=SOURCE>OUTPUT; ..."),
    Variable("REQUEST_TIMEOUT", "60", "seconds until a request is answered with 504"),
    Variable("KEEP_ALIVE", "75", "seconds that an idle connection stays open"),
    Variable("MAX_REQUESTS", "512", "requests at once in a process; more get 429"),
    Variable("MAX_URL", "8192", "bytes of a URL; longer ones get 414"),
    Variable("MAX_BODY", "1MB", "bytes of a request's body; larger ones get 413"),
    Variable("ROOT_PATH", None, "path below which a proxy shows the service, as /thumbnails"),
    Variable("TRUSTED_PROXIES", "127.0.0.1", "whose X-Forwarded-For and -Proto are believed"),
    Variable("ACCESS_LOG", "yes", "a line for each request, or no"),
    Variable("PAGE", "yes", "show browsers a page at /, or no"),
    Variable("EVENTS_TOKEN", None, "what callers of POST /events must show"),
    *THUMB_VARIABLES,
    *FRAME_VARIABLES,
)

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SOURCES: Final = "name=SOURCE>OUTPUT, several separated by ';'"
_PORTS: Final = 65_535
_SHORTEST_TOKEN: Final = 16


@dataclass(frozen=True, slots=True)
class Source:
    """One source prefix that is served; ``name`` is empty where it is the only one."""

    name: str
    task: TaskSettings


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What one request, and all of a process together, may take; seconds and bytes."""

    seconds: float = 60.0
    at_once: int = 512
    url: int = 8192
    body: int = 1_000_000
    keep_alive: float = 75.0


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """All that the service needs to be told. Times in seconds, sizes in bytes.

    ``sources``: what ``/thumb`` serves. ``workers`` and ``memory_limit`` are for all server
    processes together, ``None``: what there is. ``events``: how ``POST /events`` writes markers,
    ``frames`` how frames of an archive are served; ``None`` where they are not.
    """

    host: str
    port: int
    processes: int
    sources: tuple[Source, ...]
    thumbs: ThumbSettings
    workers: int | None
    memory_limit: int | None
    limits: RequestLimits
    root_path: str
    trusted_proxies: str
    access_log: bool
    page: bool
    grace: float
    events: EventSettings | None
    events_token: str | None = field(repr=False)
    frames: FrameSettings | None

    @classmethod
    def parse(cls, env: Mapping[str, str]) -> ServiceSettings:
        """Read the variables. Raises ``SettingError`` for the first that is missing or wrong."""
        shared = [v for v in VARIABLES if v.name in ("GRACE", "WORKERS", "MEMORY_LIMIT")]
        read = Reader(env, (*SERVICE_VARIABLES, *shared))
        sources = _sources(env, read.text("THUMB_SOURCES"))
        events = EventSettings.of(env) if env.get("PROCESS_BUCKET") else None
        frames = FrameSettings.parse(env)
        if not sources and events is None and frames is None:
            accepted = (
                "a source prefix to serve thumbnails of "
                "(or ARCHIVE_API_URL for frames, or PROCESS_BUCKET for events)"
            )
            raise SettingError("INPUT_FOLDER", None, accepted)
        return cls(
            host=read.text("HOST") or "",
            port=read.whole("PORT", 0, _PORTS) or 0,
            processes=read.whole("PROCESSES", 1, 256) or 1,
            sources=sources,
            thumbs=ThumbSettings.parse(read),
            workers=read.whole("WORKERS", 1, 1024),
            memory_limit=read.size("MEMORY_LIMIT"),
            limits=RequestLimits(
                seconds=read.positive_seconds("REQUEST_TIMEOUT") or 60.0,
                at_once=read.whole("MAX_REQUESTS", 1, 1_000_000) or 512,
                url=read.whole("MAX_URL", 256, 60_000) or 8192,
                body=read.size("MAX_BODY") or 0,
                keep_alive=read.positive_seconds("KEEP_ALIVE") or 75.0,
            ),
            root_path=_root_path(read.text("ROOT_PATH")),
            trusted_proxies=read.text("TRUSTED_PROXIES") or "",
            access_log=read.switch("ACCESS_LOG"),
            page=read.switch("PAGE"),
            grace=read.seconds("GRACE") or 0.0,
            events=events,
            events_token=_token(read.text("EVENTS_TOKEN")),
            frames=frames,
        )


def _root_path(text: str | None) -> str:
    if text and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+/?", text):
        raise SettingError("ROOT_PATH", text, "a path that begins with /, as /thumbnails")
    return (text or "").rstrip("/")


def _token(text: str | None) -> str | None:
    if text is not None and (len(text) < _SHORTEST_TOKEN or not text.isascii()):
        accepted = f"at least {_SHORTEST_TOKEN} ASCII characters that nobody can guess"
        raise SettingError("EVENTS_TOKEN", "...", accepted)
    return text


def _sources(env: Mapping[str, str], several: str | None) -> tuple[Source, ...]:
    """Return what INPUT_FOLDER names, or what THUMB_SOURCES does; the rest holds for each."""
    if several is None:
        return (Source("", _task(env, "OUTPUT_FOLDER")),) if env.get("INPUT_FOLDER") else ()
    if env.get("INPUT_FOLDER"):
        accepted = "either THUMB_SOURCES or INPUT_FOLDER and OUTPUT_FOLDER, not both"
        raise SettingError("THUMB_SOURCES", several, accepted)
    found: dict[str, Source] = {}
    for text in filter(None, (part.strip() for part in several.split(";"))):
        name, has_name, places = text.partition("=")
        source, _, output = places.partition(">")
        if not has_name or not source.strip() or not _NAME.fullmatch(name.strip()):
            raise SettingError("THUMB_SOURCES", text, _SOURCES)
        if name.strip() in found:
            raise SettingError("THUMB_SOURCES", text, "each name once")
        places_of = {"INPUT_FOLDER": source.strip(), "OUTPUT_FOLDER": output.strip()}
        task = _task({**env, **places_of}, "THUMB_SOURCES")
        found[name.strip()] = Source(name.strip(), task)
    if not found:
        raise SettingError("THUMB_SOURCES", several, _SOURCES)
    return tuple(found.values())


def _task(env: Mapping[str, str], variable: str) -> TaskSettings:
    """Return one source's settings; its output must not depend on when a run began."""
    task = TaskSettings.parse(env)
    if task.output is None:
        shown = None if variable == "OUTPUT_FOLDER" else env["INPUT_FOLDER"]
        accepted = "where the batch writes: gs://bucket/prefix, s3://bucket/prefix, a local folder"
        raise SettingError(variable, shown, accepted)
    return task
