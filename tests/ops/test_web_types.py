"""The web client's types are those of the product as it is."""

from ops.web_types import SCHEMA_FILE, typescript


def test_the_types_of_the_web_client_are_fresh() -> None:
    written = SCHEMA_FILE.read_text(encoding="utf-8")
    assert written == typescript(), "run `python -m ops.web_types` and commit web/client/schema.ts"
