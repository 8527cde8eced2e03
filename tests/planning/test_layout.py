"""Layouts: from source key to output key."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shard.errors import SettingError
from shard.model import Format, Rendition
from shard.planning import formats
from shard.planning.layout import Layout, parse_layout

ONE = (Rendition("200x200", 200, 200),)
TWO = (*ONE, Rendition("small", 50, 50))
RUN = "20261121T0900Z"


@pytest.mark.parametrize(
    ("text", "key", "fmt", "one", "two"),
    [
        ("mirror", "a/b.jpg", "jpeg", "a/b.jpg", "a/b_small.jpg"),
        ("mirror", "a.JPEG", "jpeg", "a.JPEG", "a_small.JPEG"),
        ("mirror", "scan.tif", "jpeg", "scan.tif.jpg", "scan_small.tif.jpg"),
        ("mirror", "logo.jpg", "png", "logo.jpg.png", "logo_small.jpg.png"),
        ("mirror", "no_extension", "png", "no_extension.png", "no_extension_small.png"),
        ("mirror", "a/.hidden", "jpeg", "a/.hidden.jpg", "a/.hidden_small.jpg"),
        ("mirror", ".jpg", "jpeg", ".jpg", ".jpg_small.jpg"),
        ("mirror", "a.tar.gz", "jpeg", "a.tar.gz.jpg", "a.tar_small.gz.jpg"),
        ("mirror", "x.", "jpeg", "x..jpg", "x_small..jpg"),
        ("mirror", "a//b.jpg", "jpeg", "a//b.jpg", "a//b_small.jpg"),
        ("mirror", "/b.jpg", "jpeg", "/b.jpg", "/b_small.jpg"),
        ("mirror", "é/ü.png", "png", "é/ü.png", "é/ü_small.png"),
        ("mirror", "v1.2/photo", "jpeg", "v1.2/photo.jpg", "v1.2/photo_small.jpg"),
        ("flat", "a/b/c.jpg", "jpeg", "c.jpg", "c_small.jpg"),
        ("flat", "a/b/c.cr2", "jpeg", "c.cr2.jpg", "c_small.cr2.jpg"),
        ("{rendition}/{dir}/{name}", "b.png", "png", "200x200/b.png", "small/b.png"),
        ("{dir}/{rendition}/{name}", "a/b.png", "webp", *["a/%s/b.png.webp"] * 2),
        ("{run}/{dir}_{rendition}.{name}", "a/b.gif", "gif", *[RUN + "/a_%s.b.gif"] * 2),
        ("t/{stem}.{rendition}", "a/b.jpg", "jpeg", "t/b.200x200.jpg", "t/b.small.jpg"),
    ],
)
def test_output_keys(text: str, key: str, fmt: str, one: str, two: str) -> None:
    """The source's values fill the pattern; an extension is appended where the name lies."""
    first = parse_layout(text, ONE, RUN).output_key(key, ONE[0], Format(fmt))
    second = parse_layout(text, TWO, RUN).output_key(key, TWO[1], Format(fmt))

    assert (first, second) == (one.replace("%s", "200x200"), two.replace("%s", "small"))


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("miror", "{name} or {stem}"),
        ("", "{name} or {stem}"),
        ("{dir}/{rendition}{ext}", "{name} or {stem}"),
        ("{name}{rendition}", "{rendition} set apart"),
        ("{rendition}{name}", "{rendition} set apart"),
        ("x{rendition}/{name}", "{rendition} set apart"),
        ("{stem}-{rendition}{ext}", "{rendition} set apart"),
        ("{stem}_{rendition}x{ext}", "{rendition} set apart"),
        ("{stem}_{rendition}{ext}x", "{rendition} set apart"),
        ("{stem}_{rendition}{ext}{run}", "{rendition} set apart"),
        ("{stem}/a{dir}/{rendition}", "{rendition} set apart"),
        ("{stem}{ext}{rendition}", "{rendition} set apart"),
        ("{stem}_{rendition}{rendition}", "{rendition} set apart"),
        ("{dir}/{name}_{size}", "no placeholders but {dir} {name}"),
        ("{name", "no placeholders but"),
        ("{name}}_{rendition}", "no placeholders but"),
        ("{}/{name}", "no placeholders but"),
        ("/{name}_{rendition}", "not beginning with '/'"),
        ("../{name}_{rendition}", "'..' segments"),
        ("a/./{name}_{rendition}", "'..' segments"),
        ("a//{name}_{rendition}", "without empty"),
        ("{name}_{rendition}/", "without empty"),
        (".shard/{name}_{rendition}", "'.shard/'"),
        ("{dir}/{name}", "several renditions"),
    ],
)
def test_refused(text: str, accepted: str) -> None:
    """A layout that is unsafe, unknown or cannot keep renditions apart is refused."""
    with pytest.raises(SettingError) as raised:
        parse_layout(text, TWO, RUN)

    assert raised.value.variable == "LAYOUT"
    assert repr(text) in str(raised.value)
    assert accepted in raised.value.accepted


def test_one_rendition_needs_no_name() -> None:
    """With one rendition a template need not tell renditions apart."""
    layout = parse_layout("{dir}/{name}", ONE, RUN)

    assert layout.output_key("a/b.jpg", ONE[0], Format.JPEG) == "a/b.jpg"


def test_candidates_of_an_explicit_format() -> None:
    """An explicit format has one possible output."""
    webp = Rendition("w", 1, 1, format=Format.WEBP)

    assert parse_layout("mirror", [webp], RUN).candidates("a.jpg", webp) == ("a.jpg.webp",)


def test_candidates_of_keep() -> None:
    """Under ``keep`` the output that the name suggests comes first, then every other one."""
    found = parse_layout("mirror", ONE, RUN).candidates("a.png", ONE[0])

    assert found[0] == "a.png"
    assert set(found) == {"a.png", "a.png.jpg", "a.png.gif", "a.png.webp", "a.png.avif"}


def test_a_layout_travels() -> None:
    """A layout can be sent to a worker process."""
    layout = parse_layout("mirror", TWO, RUN)

    assert pickle.loads(pickle.dumps(layout)) == layout  # noqa: S301 - our own bytes


pieces = st.sampled_from(
    [
        "a",
        "b",
        "scan",
        "jpg",
        "small",
        "200x200",
        "_",
        ".",
        "-",
        "/",
        ".jpg",
        ".png",
        ".JPG",
        ".tif",
    ]
)
keys = st.lists(pieces, min_size=1, max_size=7).map("".join) | st.text(min_size=1, max_size=12)
output_formats = st.sampled_from([f for f in Format if f is not Format.KEEP])
rendition_sets = st.lists(
    st.builds(
        Rendition,
        name=st.sampled_from(["small", "200x200", "jpg", "png", "a", "scan", "-"]),
        width=st.just(9),
        height=st.just(9),
        format=st.sampled_from([f for f in Format if f is not Format.GIF]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda r: r.name,
)
TEMPLATES = (
    *(
        "mirror",
        "flat",
        "{rendition}/{dir}/{name}",
        "{dir}/{rendition}/{stem}",
        "{stem}.{rendition}",
    ),
    *(
        "{dir}_{rendition}{ext}/{stem}",
        "{stem}_{rendition}{ext}_{rendition}",
        "{dir}{name}.{rendition}",
    ),
)


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    """Any layout with any renditions."""
    return parse_layout(draw(st.sampled_from(TEMPLATES)), draw(rendition_sets), RUN)


@given(layouts(), keys, output_formats)
def test_name_and_format_agree(layout: Layout, key: str, fmt: Format) -> None:
    """Whatever the key, the output's extension says its format."""
    output = layout.output_key(key, layout.renditions[0], fmt)

    assert formats.format_for_extension(formats.extension(output)) is fmt


@given(
    layouts(), keys, st.sampled_from(["jpeg", "png", "gif", "webp", "avif", "tiff"]), st.booleans()
)
def test_candidates_are_complete(layout: Layout, key: str, source: str, alpha: bool) -> None:
    """The key that an output gets in the end is one of its candidates."""
    for rendition in layout.renditions:
        fmt = formats.resolve(rendition.format, source, alpha)

        assert layout.output_key(key, rendition, fmt) in layout.candidates(key, rendition)


def _outputs(layout: Layout, key: str) -> set[str]:
    return {c for r in layout.renditions for c in layout.candidates(key, r)}


@settings(max_examples=600)
@given(layouts(), keys, keys)
def test_keys_that_can_collide_have_one_group(layout: Layout, a: str, b: str) -> None:
    """Two keys with any possible output in common are in one group."""
    assume(_outputs(layout, a) & _outputs(layout, b))

    assert layout.group(a) == layout.group(b)


@settings(max_examples=300)
@given(layouts(), keys, output_formats)
def test_an_output_is_in_the_group_of_its_source(layout: Layout, key: str, fmt: Format) -> None:
    """The group can be told from the output key alone, for every rendition and format."""
    groups = {
        layout.output_group(layout.output_key(key, rendition, fmt))
        for rendition in layout.renditions
    }

    assert groups == {layout.group(key)}


@given(layouts(), keys)
def test_renditions_of_one_item_never_meet(layout: Layout, key: str) -> None:
    """No two renditions of one item can have an output key in common."""
    outputs = [c for r in layout.renditions for c in layout.candidates(key, r)]

    assert len(outputs) == len(set(outputs))


@settings(max_examples=600)
@given(rendition_sets, keys, keys, output_formats)
def test_mirror_is_injective(renditions: list[Rendition], a: str, b: str, fmt: Format) -> None:
    """Mirrored keys share an output only where one is the other plus the appended extension."""
    assume(len(a) < len(b))
    layout = parse_layout("mirror", renditions, RUN)
    if b != a + formats.default_extension(fmt):
        for rendition in renditions:
            assert layout.output_key(a, rendition, fmt) != layout.output_key(b, rendition, fmt)


def test_the_documented_pair_meets() -> None:
    """``scan.tif`` made as JPEG and a source called ``scan.tif.jpg`` have one output key."""
    layout = parse_layout("mirror", ONE, RUN)
    outputs = {layout.output_key(key, ONE[0], Format.JPEG) for key in ("scan.tif", "scan.tif.jpg")}

    assert outputs == {"scan.tif.jpg"}


def test_scan_tif_and_scan_jpg_never_meet() -> None:
    """Sources that differ in extension alone keep their outputs apart."""
    layout = parse_layout("mirror", ONE, RUN)

    assert not _outputs(layout, "scan.tif") & _outputs(layout, "scan.jpg")
