"""The fields that frames are made of, with their limits and descriptions."""

from typing import Annotated

from msgspec import Meta

MAX_SEQ = 2**53 - 1  # the largest integer that every JSON reader keeps exactly (RFC 8259, section 6)

# PostgreSQL stores every character but NUL, so none may come in.
_NO_NUL = r"^[^\u0000]*$"

CommandId = Annotated[
    str,
    Meta(min_length=1, max_length=64, pattern=_NO_NUL, description="Chosen by the client; its answer carries it."),
]
ChannelName = Annotated[
    str,
    Meta(min_length=1, max_length=200, pattern=_NO_NUL, description="Name of a channel, such as `board:{queue_id}`."),
]
Epoch = Annotated[
    str,
    Meta(min_length=1, max_length=64, pattern=_NO_NUL, description="Changes when a channel's sequence starts anew."),
]
Seq = Annotated[int, Meta(ge=0, le=MAX_SEQ, description="Place in the channel's log; the first event is 1.")]
Token = Annotated[str, Meta(min_length=1, max_length=4096, pattern=_NO_NUL, description="An access token.")]
Key = Annotated[
    str,
    Meta(
        min_length=1, max_length=64, pattern=_NO_NUL, description="Unique per message of a sender; makes a repeat safe."
    ),
]
Body = Annotated[str, Meta(min_length=1, max_length=10_000, pattern=_NO_NUL, description="Text of the message.")]
AttachmentId = Annotated[str, Meta(min_length=1, max_length=64, pattern=_NO_NUL, description="Id of an uploaded file.")]
Time = Annotated[str, Meta(description="RFC 3339, UTC.", extra_json_schema={"format": "date-time"})]
