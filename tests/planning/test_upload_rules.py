"""Where an uploaded folder's files go, which are taken, which are there already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shard.errors import SettingError, SettingsMissing
from shard.model import Format, Item
from shard.planning.freshness import Decision
from shard.planning.renditions import parse_renditions
from shard.planning.spaces import spaces_from
from shard.planning.upload import (
    Selection,
    UploadLayout,
    content_type,
    displaced,
    judge_original,
    names_in_use,
    settle_original,
)
from shard.planning.upload_settings import Options, UploadSettings, join, parse_metadata

if TYPE_CHECKING:
    from random import Random

    from shard.model import Rendition

ONE = parse_renditions("200x300,fit=cover,format=jpeg")
TWO = parse_renditions("small=100x100,format=jpeg;large=400x400,format=webp")
MD5 = "0" * 32


@pytest.mark.parametrize(
    ("keys", "thumbnails"),
    [
        ("a.jpg", "a.jpg"),
        ("a.jpg a.png", "a.jpg a.png.jpg"),
        ("a.JPG a.jpg", "a.jpg a.jpg.jpg"),
        ("a.jpg a.png a.png.jpg", "a.jpg a.png.jpg a.png.jpg.jpg"),
        ("x/a.png y/a.jpg", "x/a.jpg y/a.jpg"),
        ("a.b.png a.b.webp", "a.b.jpg a.b.webp.jpg"),
    ],
)
def test_thumbnails_are_named_after_their_sources(keys: str, thumbnails: str) -> None:
    """Where two would share a name, the later one keeps its own extension in it."""
    sources = keys.split()
    layout = UploadLayout("", ONE, displaced(sources))
    made = [layout.output_key(key, ONE[0], Format.JPEG) for key in sources]

    assert made == [f"thumbnail/{name}" for name in thumbnails.split()]


NAMES = st.lists(
    st.builds(
        "{}{}.{}".format,
        st.sampled_from(["", "x/", "x/y/"]),
        st.sampled_from(["a", "a.jpg", "a.png", "a.png.jpg", "b", "a_small"]),
        st.sampled_from(["jpg", "JPG", "png", "webp", "jpeg"]),
    ),
    unique=True,
)


@given(NAMES, st.sampled_from([ONE, TWO]), st.randoms())
def test_no_two_files_ever_share_a_thumbnail(
    names: list[str], renditions: tuple[Rendition, ...], random: Random
) -> None:
    """Names are unique over all renditions and formats, whatever the order of listing."""
    shuffled = random.sample(names, len(names))
    layout = UploadLayout("", renditions, displaced(shuffled))
    keys = [
        layout.output_key(name, rendition, fmt)
        for name in names
        for rendition in renditions
        for fmt in (Format.JPEG, Format.PNG, Format.WEBP)
    ]

    assert len(set(keys)) == len(keys)
    assert displaced(shuffled) == displaced(sorted(names))


@given(NAMES)
def test_the_first_in_order_keeps_the_short_name(names: list[str]) -> None:
    """A file is moved only if one before it in order has taken its name."""
    moved, taken = displaced(names), set[str]()
    for name in sorted(names):
        stem = name.rpartition(".")[0]
        assert (name in moved) == (stem in taken)
        taken.add(moved.get(name, stem))


def test_originals_at_the_destination_keep_their_thumbnails() -> None:
    """A file that is gone from the folder but in the bucket still takes part in the naming."""
    used = names_in_use(["original/a.jpg", "thumbnail/a.jpg", ".shard/runs/x/run.json"])

    assert used == ["a.jpg"]
    assert displaced(["a.png", *used]) == {"a.png": "a.png"}


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("a.jpg", "image"),
        ("x y/ü\n.TIFF", "image"),
        (".a.jpg", "hidden"),
        ("x/.git/a.jpg", "hidden"),
        ("notes.txt", "other_file"),
        ("jpg", "other_file"),
        ("a.heic", "other_file"),
        ("drafts/a.jpg", "excluded"),
        ("drafts/deep/a.jpg", "excluded"),
        ("x/a_old.jpg", "excluded"),
    ],
)
def test_which_files_are_taken(key: str, reason: str) -> None:
    """Hidden files, other extensions and what a pattern excludes stay, each with its reason."""
    selection = Selection(exclude=("drafts/*", "*_old.*"))

    assert selection.judge(key).reason == reason
    assert Selection(include=("*.png",)).judge("a.jpg").reason == "not_included"


ITEM = Item("a.jpg", 10)


@pytest.mark.parametrize(
    ("existing", "overwrite", "expected"),
    [
        (None, False, Decision(True, "missing")),
        (None, True, Decision(True, "missing")),
        (Item("k", 10, md5=MD5), True, Decision(True, "overwrite")),
        (Item("k", 11, md5=MD5), False, Decision(True, "changed")),
        (Item("k", 10, md5=MD5), False, Decision(False, "unchanged", "k")),
        (Item("k", 10, md5="1" * 32), False, None),
        (Item("k", 10), False, None),
    ],
    ids=str,
)
def test_an_original_goes_up_unless_size_and_checksum_agree(
    existing: Item | None, overwrite: bool, expected: Decision | None
) -> None:
    """The listing decides where it can; else the store has to be asked."""
    assert judge_original(ITEM, existing, MD5, overwrite=overwrite) == expected


def test_metadata_settles_what_the_listing_left_open() -> None:
    """The stored MD5 decides; where there is none the original goes up again."""
    existing = Item("k", 10)

    assert not settle_original(existing, MD5, MD5).needed
    assert settle_original(existing, MD5, "1" * 32).needed
    assert settle_original(existing, MD5, None).needed


def test_content_types_follow_the_names() -> None:
    """Each extension that is taken has a type of its own."""
    assert content_type("a.JPG") == "image/jpeg"
    assert content_type("x/b.tif") == "image/tiff"


@pytest.mark.parametrize("prefix", ["..", "a/../b", "/a", "a//b", ".shard", "."])
def test_a_prefix_leads_nowhere_else(prefix: str) -> None:
    """A prefix that is absolute or climbs is refused by name."""
    with pytest.raises(SettingError, match="--prefix"):
        join("s3://b", prefix)


@pytest.mark.parametrize("destination", ["", "s3://", "gs:///", "s3:/photos", "file://"])
def test_a_destination_that_is_none_is_refused(destination: str) -> None:
    """What a variable that is not set leaves behind never becomes a local folder."""
    with pytest.raises(SettingError, match="DEST"):
        join(destination, "avatar")


def test_destination_and_prefix_are_joined() -> None:
    """One slash between them, none at the end."""
    assert join("s3://b/", "avatar") == "s3://b/avatar"
    assert join("out", "") == "out"
    assert join("/", "avatar") == "/avatar"
    assert join("file:///", "avatar") == "/avatar"


@pytest.mark.parametrize("pair", ["a", "=b", "a=é", "shard-md5=x", "a=b\nc"])
def test_metadata_that_no_store_keeps_is_refused(pair: str) -> None:
    """Metadata are printable ASCII, and Shard's own names are its own."""
    with pytest.raises(SettingError, match="--metadata"):
        parse_metadata((pair,))


SPACE = {
    "SPACES_ACCESS_KEY": "key",
    "SPACES_SECRET_KEY": "secret",
    "SPACES_BUCKET": "photos",
    "SPACES_REGION": "fra1",
}


def test_a_space_is_an_s3_bucket_at_its_regions_address() -> None:
    """Region and bucket make the endpoint; uploads are public unless SPACES_ACL says otherwise."""
    space = spaces_from(SPACE)

    assert (space.url, space.acl) == ("s3://photos", "public-read")
    assert space.variables["AWS_ENDPOINT_URL_S3"] == "https://fra1.digitaloceanspaces.com"
    assert spaces_from({**SPACE, "SPACES_ACL": "private"}).acl == "private"
    assert "secret" not in repr(space)


def test_all_missing_variables_are_named_at_once() -> None:
    """One message names every variable that is missing, and where each is found."""
    with pytest.raises(SettingsMissing) as caught:
        spaces_from({"SPACES_BUCKET": "photos", "SPACES_SECRET_KEY": " "})

    assert set(caught.value.missing) == {
        *("SPACES_ACCESS_KEY", "SPACES_SECRET_KEY", "SPACES_REGION"),
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SPACES_ENDPOINT", "https://photos.fra1.digitaloceanspaces.com"),
        ("SPACES_ENDPOINT", "fra1.digitaloceanspaces.com"),
        ("SPACES_BUCKET", "s3://photos"),
        ("SPACES_REGION", "Frankfurt 1"),
    ],
)
def test_what_is_wrong_with_a_space_is_said(name: str, value: str) -> None:
    """An address with the Space's name in it, or without a scheme, is the usual mistake."""
    with pytest.raises(SettingError, match=name):
        spaces_from({**SPACE, name: value})


@pytest.mark.parametrize(
    ("flag", "options"),
    [
        ("--acl", Options(acl="public")),
        ("--cache-control", Options(cache_control="a\nb")),
    ],
)
def test_headers_are_checked(flag: str, options: Options) -> None:
    """A wrong header is refused before anything is uploaded."""
    env = {"INPUT_FOLDER": "/in", "OUTPUT_FOLDER": "s3://b/avatar", "RENDITIONS": "200"}
    with pytest.raises(SettingError, match=flag):
        UploadSettings.parse(env, options)


def test_a_folder_keeps_no_headers() -> None:
    """On local disk an ACL has no place, and is refused instead of forgotten."""
    env = {"INPUT_FOLDER": "/in", "OUTPUT_FOLDER": "/out", "RENDITIONS": "200"}
    with pytest.raises(SettingError, match="keeps no headers"):
        UploadSettings.parse(env, Options(acl="private"))


@pytest.mark.parametrize("output", ["/in/out", "/in", "/"])
def test_the_destination_lies_beside_the_folder(output: str) -> None:
    """A destination in the folder, or around it, would upload itself."""
    env = {"INPUT_FOLDER": "/in", "OUTPUT_FOLDER": output, "RENDITIONS": "200"}
    with pytest.raises(SettingError, match="DEST"):
        UploadSettings.parse(env, Options())
