"""The examples of the template language's reference make what it says."""

import json

import pytest
from docs.template_language import CHAPTERS, Example, differences

from postroad.templates import compile_template


@pytest.mark.parametrize(
    "example", [example for chapter in CHAPTERS for example in chapter.examples], ids=lambda one: one.template
)
def test_example_makes_what_the_reference_says(example: Example) -> None:
    partials = {name: compile_template(text) for name, text in example.partials.items()}

    assert compile_template(example.template).render(json.loads(example.data), partials=partials).text == example.shows


def test_the_differences_from_handlebars_js_are_all_told() -> None:
    told = differences()

    assert len(told) >= 15
    assert all(reason.endswith(".") for _, reason in told)
