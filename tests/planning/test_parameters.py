"""A query read one way: booleans, repeated and unknown names, numbers."""

from __future__ import annotations

import pytest

from shard.errors import ParameterError
from shard.planning.parameters import Parameters, parse_boolean


@pytest.mark.parametrize("text", ["true", "True", "TRUE", "1", "yes", "on", "", " On "])
def test_many_words_are_true(text: str) -> None:
    """true, 1, yes, on and the empty text are true, in any case."""
    assert parse_boolean(text, "color") is True


@pytest.mark.parametrize("text", ["false", "False", "0", "no", "OFF"])
def test_many_words_are_false(text: str) -> None:
    """false, 0, no and off are false, in any case."""
    assert parse_boolean(text, "color") is False


@pytest.mark.parametrize("text", ["2", "maybe", "tru", "None", "-1"])
def test_other_words_are_refused_with_name_and_value(text: str) -> None:
    """What is no boolean is refused in a sentence that names it."""
    with pytest.raises(ParameterError, match=rf"color is '{text}'; accepted: true or false"):
        parse_boolean(text, "color")


def test_a_name_twice_is_refused() -> None:
    """Of two values none is chosen silently."""
    with pytest.raises(ParameterError, match="width is '1, 2'; accepted: it once"):
        Parameters([("width", "1"), ("width", "2")], ("width",))


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    """A misspelt parameter is told, not ignored."""
    with pytest.raises(ParameterError, match="'widht' is not known here; accepted: width, height"):
        Parameters([("widht", "1")], ("width", "height"))


def test_a_long_value_is_shown_in_part() -> None:
    """An error does not repeat pages of a request."""
    with pytest.raises(ParameterError) as caught:
        Parameters([("width", "9" * 5000)], ("width",)).whole("width", 1, 1, 10)

    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("text", ["0", "11", "1.5", "-3", "x", "٣", "1_0", "9" * 30])
def test_whole_numbers_keep_to_their_range(text: str) -> None:
    """A number that is no whole one within the range is refused."""
    with pytest.raises(ParameterError, match="a whole number from 1 to 10"):
        Parameters([("width", text)], ("width",)).whole("width", 5, 1, 10)


@pytest.mark.parametrize("text", ["nan", "inf", "0", "-1", "100.1", "x", "1,5"])
def test_numbers_keep_to_their_range(text: str) -> None:
    """Neither NaN nor infinity nor anything outside is a percentile."""
    with pytest.raises(ParameterError, match="a number above 0, up to 100"):
        Parameters([("p", text)], ("p",)).number("p", 99.5, 0, 100)


def test_empty_numbers_and_texts_count_as_not_given() -> None:
    """A form sends its empty fields too."""
    read = Parameters([("width", ""), ("label", ""), ("p", "")], ("width", "label", "p"))

    assert (read.whole("width", 5, 1, 10), read.text("label"), read.number("p", 9, 0, 10)) == (
        5,
        None,
        9,
    )
