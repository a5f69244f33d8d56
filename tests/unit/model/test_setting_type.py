"""What does not fit a setting is told in words of our own, with the setting's path."""

import enum
from typing import Annotated, Any, Literal

import msgspec
import pytest

from postroad.model.setting_type import Misfit, misfit


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Route(msgspec.Struct, forbid_unknown_fields=True):
    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 25


class Sample(msgspec.Struct):
    routes: tuple[Route, ...] = ()
    named: dict[str, Route] = {}
    weights: dict[str, int] = {}
    at_most: Annotated[int, msgspec.Meta(le=9)] | None = None
    share: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=9)] = "n"
    filled: Annotated[str, msgspec.Meta(min_length=1)] = "f"
    minutes: Annotated[tuple[int, ...], msgspec.Meta(min_length=1)] = (1,)
    short: Annotated[str, msgspec.Meta(max_length=3)] = ""
    label: Annotated[str, msgspec.Meta(pattern="^[a-z]*$")] = ""
    colour: Colour = Colour.RED
    mode: Annotated[Literal["on", "off"], msgspec.Meta(description="A mode.")] = "on"
    names: tuple[str, ...] = ()
    is_on: bool = False

    def __post_init__(self) -> None:
        if self.names == ("own",):
            raise ValueError("names must be another")


@pytest.mark.parametrize(
    ("document", "path", "text"),
    [
        ({"routes": 3}, "routes", "must be a list of tables"),
        ({"routes": [3]}, "routes[0]", "must be a table of settings"),
        ({"routes": [{"host": "a", "port": "x"}]}, "routes[0].port", "must be a whole number, 1 to 65535"),
        ({"routes": [{"port": 1}]}, "routes[0]", "needs host"),
        ({"routes": [{"host": "a", "prt": 1}]}, "routes[0]", "holds prt, which is not a setting"),
        ({"named": {"x": {"host": 3}}}, "named[...].host", "must be a text"),
        ({"named": {"x": 3}}, "named[...]", "must be a table of settings"),
        ({"weights": {"x": "y"}}, "weights[...]", "must be a whole number"),
        ({"weights": 3}, "weights", "must be a table"),
        ({"at_most": 10}, "at_most", "must be a whole number, at most 9"),
        ({"at_most": "x"}, "at_most", "must be a whole number, at most 9"),
        ({"share": -1}, "share", "must be a number, at least 0"),
        ({"short": "long"}, "short", "must be a text of at most 3 characters"),
        ({"name": ""}, "name", "must be a text of 1 to 9 characters"),
        ({"filled": ""}, "filled", "must be a text that is not empty"),
        ({"minutes": []}, "minutes", "must be a list of whole numbers that is not empty"),
        ({"label": "A"}, "label", "must be a text that matches ^[a-z]*$"),
        ({"colour": "green"}, "colour", "must be one of red, blue"),
        ({"colour": 3}, "colour", "must be one of red, blue"),
        ({"mode": "half"}, "mode", "must be one of off, on"),
        ({"names": "x"}, "names", "must be a list of texts"),
        ({"is_on": "perhaps"}, "is_on", "must be true or false"),
        ({"names": ["own"]}, "", "names must be another"),
    ],
)
def test_each_misfit_is_told_with_its_path_and_what_fits(document: dict[str, Any], path: str, text: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert(document, Sample, strict=False)
    assert misfit(Sample, refused.value) == Misfit(path, text)
