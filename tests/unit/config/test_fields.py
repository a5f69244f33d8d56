from typing import Annotated, Literal

import msgspec

from postroad.config import Settings
from postroad.config.fields import fields_by_path, sections_of


class _Inner(msgspec.Struct, frozen=True, kw_only=True):
    """The inner table."""

    port: Annotated[int, msgspec.Meta(ge=1, le=65535, description="A port.")] = 25
    mode: Annotated[Literal["on", "off"] | None, msgspec.Meta(description="A mode.")] = None


class _Outer(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    names: Annotated[tuple[str, ...], msgspec.Meta(description="Names.")] = ("a",)
    inner: _Inner = _Inner()


def test_each_setting_becomes_a_row_with_type_bounds_and_variable() -> None:
    port = fields_by_path(_Outer)["inner.port"]

    assert (
        port.type_text,
        port.default,
        port.description,
        port.variable,
    ) == ("whole number, 1 to 65535", 25, "A port.", "POSTROAD_INNER__PORT")


def test_sections_keep_their_order_and_sentence() -> None:
    assert [(section.path, section.description) for section in sections_of(_Outer)] == [
        ("", "All of it."),
        ("inner", "The inner table."),
    ]


def test_optional_choice_is_a_choice() -> None:
    mode = fields_by_path(_Outer)["inner.mode"]

    assert mode.kind == "choice"
    assert "`on`" in mode.type_text


def test_every_setting_of_the_installation_has_a_sentence() -> None:
    assert [
        path for path, field in fields_by_path(Settings).items() if not field.description.strip().endswith((".", "?"))
    ] == []
