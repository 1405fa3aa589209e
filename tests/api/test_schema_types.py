"""The types that every room's schemas are made of."""

from typing import Annotated

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from api.schema_types import Name, PhoneNumber, Prose, Text

CONTROL = ["\x00", "a\x00b", "bell\x07", "esc\x1b[31m", "del\x7f", "c1\x85x", "lone\ud800"]


@pytest.mark.parametrize("kind", [Text, Name, Prose, PhoneNumber])
@pytest.mark.parametrize("text", CONTROL)
def test_no_text_carries_control_characters_or_half_a_character(kind: type[str], text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(text)


@pytest.mark.parametrize("text", ["Zoë", "李小龍", "O’Brien", "👩‍⚕️", "عيادة"])
def test_people_write_as_they_write(text: str) -> None:
    for kind in (Text, Name, Prose):
        assert TypeAdapter(kind).validate_python(f"  {text} ") == text


def test_a_line_is_one_line_and_prose_may_be_more() -> None:
    text = "one\n\ttwo\r\nthree"
    assert TypeAdapter(Prose).validate_python(f"\n{text}\n") == text
    with pytest.raises(ValidationError):
        TypeAdapter(Text).validate_python(text)


def test_bounds_count_after_stripping_and_can_be_narrowed() -> None:
    narrow = TypeAdapter(Annotated[Text, Field(max_length=3)])
    assert narrow.validate_python("  abc  ") == "abc"
    with pytest.raises(ValidationError, match="at most 3 characters"):
        narrow.validate_python("abcd")
    with pytest.raises(ValidationError, match="at least 1 character"):
        TypeAdapter(Name).validate_python("   ")
    for kind, most in ((Text, 200), (Name, 120), (Prose, 4000)):
        assert TypeAdapter(kind).validate_python("x" * most) == "x" * most
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python("x" * (most + 1))


@pytest.mark.parametrize(
    ("written", "kept"),
    [("+14155552671", "+14155552671"), ("(415) 555-2671", "+14155552671"), (" +49 30 901820 ", "+4930901820")],
)
def test_a_phone_number_is_kept_in_e164(written: str, kept: str) -> None:
    assert TypeAdapter(PhoneNumber).validate_python(written) == kept


@pytest.mark.parametrize("written", ["", "call me", "12", "+", "+999999999999999999999", "0" * 41])
def test_what_cannot_be_called_is_no_phone_number(written: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(PhoneNumber).validate_python(written)
