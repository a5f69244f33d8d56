"""Forms that are made of a struct's own descriptions."""

import enum
from typing import Annotated, Literal

import msgspec
import pytest

from postroad.httpd.console.forms import Form
from postroad.httpd.console.settings_form import SettingField, fields_of, filled_in
from postroad.model.domain import DomainSettings
from postroad.model.refused import RefusedError


class Colour(enum.Enum):
    RED = "red"


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    is_on: Annotated[bool, msgspec.Meta(description="On or `off`.")] = True
    at_least: Annotated[int, msgspec.Meta(ge=2)] = 2
    at_most: Annotated[Annotated[int, msgspec.Meta(le=9)] | None, msgspec.Meta(description="Nine.")] = None
    percent: Annotated[float, msgspec.Meta(ge=0, le=99)] = 0.0
    dkim_name: Annotated[str, msgspec.Meta(pattern="^[a-z]*$")] = ""
    choice: Literal["one", "two"] = "one"
    colour: Colour = Colour.RED


class Other(msgspec.Struct):
    names: tuple[str, ...] = ()


def test_every_setting_of_a_domain_has_a_field_and_a_sentence() -> None:
    fields = fields_of(DomainSettings)

    assert [field.name for field in fields] == list(DomainSettings.__struct_fields__)
    assert all(field.hint.endswith(".") for field in fields)


def test_a_field_is_made_of_each_kind_of_value() -> None:
    assert fields_of(Sample) == (
        SettingField(name="is_on", label="Is on", kind="flag", hint="On or off."),
        SettingField(name="at_least", label="At least", kind="number", hint="", low=2),
        SettingField(name="at_most", label="At most", kind="number", hint="Nine.", high=9, is_optional=True),
        SettingField(name="percent", label="Percent", kind="decimal", hint="", low=0, high=99),
        SettingField(name="dkim_name", label="DKIM name", kind="text", hint=""),
        SettingField(name="choice", label="Choice", kind="choice", hint="", options=(("one", "one"), ("two", "two"))),
        SettingField(name="colour", label="Colour", kind="choice", hint="", options=(("red", "red"),)),
    )
    with pytest.raises(TypeError, match="names"):
        fields_of(Other)


GOOD = {
    "is_on": "on",
    "at_least": "7",
    "at_most": "",
    "percent": "0.3",
    "dkim_name": "a",
    "choice": "two",
    "colour": "red",
}


def test_a_form_fills_the_struct() -> None:
    assert filled_in(Sample(), Form(list(GOOD.items()))) == Sample(at_least=7, percent=0.3, dkim_name="a", choice="two")
    nothing_ticked = Form([pair for pair in GOOD.items() if pair[0] != "is_on"])
    assert filled_in(Sample(), nothing_ticked).is_on is False


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("at_least", "1", "1 is outside the bounds: 2 or more."),
        ("at_least", "", "A number is needed here."),
        ("at_most", "10", "10 is outside the bounds: 9 or less."),
        ("at_most", "x", "'x' does not fit: use a whole number from 0."),
        ("percent", "99.5", "99.5 is outside the bounds: 0 to 99."),
        ("percent", "", "A number is needed here."),
        ("percent", "nan", "'nan' is not a number such as 0.3."),
        ("percent", "-1", "'-1' is not a number such as 0.3."),
        ("percent", "1e1", "'1e1' is not a number such as 0.3."),
        ("dkim_name", "A", "Must be a text that matches ^[a-z]*$."),
        ("choice", "three", "Must be one of one, two."),
    ],
)
def test_what_does_not_fit_is_named(name: str, text: str, sentence: str) -> None:
    with pytest.raises(RefusedError) as refused:
        filled_in(Sample(), Form(list((GOOD | {name: text}).items())))

    assert (str(refused.value), refused.value.field) == (sentence, name)


def test_a_number_with_decimals_is_read_with_either_mark_and_shown_as_it_was_written() -> None:
    for text, number in {"0.3": 0.3, "0,3": 0.3, "2": 2.0, "0": 0.0}.items():
        form = Form(list((GOOD | {"percent": text}).items()))
        filled = filled_in(Sample(), form)
        assert filled.percent == number
        assert Form.of(**msgspec.structs.asdict(filled)).text("percent") == text.replace(",", ".")
