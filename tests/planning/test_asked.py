"""What a URL may ask for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shard.errors import SettingError
from shard.planning.asked import Asked, BadRequest, check_key, parse_path, signature, signed
from shard.planning.service_settings import SERVICE_VARIABLES
from shard.planning.thumb_settings import ThumbSettings
from shard.planning.variables import Reader

SECRET = "sixteen letters or more"


@given(st.binary(max_size=60))
def test_a_key_that_is_accepted_stays_below_its_prefix(raw: bytes) -> None:
    """Whatever comes over the wire: refused with a reason, or segments that lead only down."""
    try:
        key = check_key(parse_path(b"/thumb/small/" + raw).key)
    except BadRequest:
        return

    assert not {"", ".", ".."} & set(key.split("/"))
    assert "\\" not in key
    assert "\0" not in key


def test_a_path_is_decoded_once() -> None:
    """Slashes in a rendition do not move the border to the key."""
    assert parse_path(b"/thumb/a%2Fb/c%252Fd/e%2Ff") == Asked("a/b", "c%2Fd/e/f")


def test_the_formula_is_the_documented_one() -> None:
    """As `openssl dgst -sha256 -hmac` computes it over rendition, key and expiry."""
    asked = Asked("300x200,fit=cover", "a/b.jpg")

    assert signature(SECRET, asked, "1798761600") == (
        "03d42d44838410e1d223b6c45c8d17e2df808cbd6ed362413a77af51468666dd"
    )


def test_signed_renditions_that_differ_have_different_names() -> None:
    """A name follows from what is described, not from what it is called."""

    def name(text: str) -> str:
        asked = Asked(text, "a.jpg")
        found = signed(SECRET, asked, {"signature": signature(SECRET, asked)}, 0.0)
        assert found is not None
        return found.name

    assert name("small=300x200") == name("other=300x200,quality=85") != name("300x200,quality=84")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CACHE_CONTROL", "public\r\nSet-Cookie: x=1"),
        ("CACHE_CONTROL", "x" * 257),
        ("SIGNING_KEY", "short"),
        ("QUEUE", "0"),
        ("CACHE_MEMORY", "much"),
        ("FRESH_SECONDS", "-1"),
        ("FAILURE_SECONDS", "a while"),
    ],
)
def test_wrong_settings_are_named(variable: str, value: str) -> None:
    """The sentence names the variable; a secret's value is not in it."""
    with pytest.raises(SettingError, match=variable) as caught:
        ThumbSettings.parse(Reader({variable: value}, SERVICE_VARIABLES))

    assert value not in str(caught.value) or variable != "SIGNING_KEY"
