"""Types that the schemas of every room share."""

from datetime import datetime
from typing import Annotated

import phonenumbers
from pydantic import AfterValidator, AwareDatetime, StringConstraints

from core.settings import get_settings

# Postgres refuses NUL in text; the other control characters (C0, DEL, C1) have no business in a name and garble logs
# and screens. The patterns mean the same to Rust, which checks them, and to those who read the OpenAPI document:
# JavaScript and Python.
Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\u0000-\u001f\u007f-\u009f]*$"),
]
"""One line: stripped, without control characters, at most 200. ``Annotated[Text, Field(max_length=80)]`` narrows it."""

Name = Annotated[Text, StringConstraints(min_length=1, max_length=120)]
"""One line that says something: what a person, a clinic or a desk is called."""

Prose = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        max_length=4000,
        pattern=r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$",
    ),
]
"""Text with line breaks and tabs, stripped, at most 4,000 characters: a message, a reason."""


def _e164(text: str) -> str:
    try:
        number = phonenumbers.parse(text, get_settings().default_phone_region)
    except phonenumbers.NumberParseException as unreadable:
        raise ValueError("must be a phone number, such as +14155552671") from unreadable
    # Possible, not valid: numbering plans change faster than the library's tables.
    if not phonenumbers.is_possible_number(number):
        raise ValueError("must be a phone number that can exist")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _in_postgres_range(moment: datetime) -> datetime:
    # With its offset, the first and the last day of the calendar leave it.
    if not 1 < moment.year < 9999:
        raise ValueError("must be a time between the years 2 and 9998")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_in_postgres_range)]
"""A time with its offset (RFC 3339)."""

PhoneNumber = Annotated[Text, StringConstraints(max_length=40), AfterValidator(_e164)]
"""A phone number, kept in E.164; without a country code it is read as one of ``default_phone_region``."""
