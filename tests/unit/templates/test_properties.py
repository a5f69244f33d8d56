"""What holds for every template and all data."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from postroad.templates import Limits, TemplateError, compile_template
from postroad.templates.functions import FUNCTIONS

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
DATA = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcx") | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
PIECES = st.sampled_from(
    [
        "{{", "}}", "{{{", "}}}", "{{{{", "}}}}", "#", "/", "^", "&", ">", "~", "!", "--", "*inline", "else", "if", "each", "with", "unless",
        " ", "\n", "a", "b", ".", "..", "this", "@index", "@root", '"', "'", "[", "]", "(", ")", "|", " as |x y|", "=", "1", "-", "true", "\\", "{{#if a}}",
        "{{/if}}", "{{#each a}}", "{{/each}}", "{{> p}}", "{{a}}", "{{else}}", "{{{{raw}}}}", "{{{{/raw}}}}", "{{#> p}}", "{{/p}}", "@partial-block",
        *FUNCTIONS,
    ]
)  # fmt: skip
SOURCES = st.text(max_size=60) | st.lists(PIECES, max_size=25).map("".join)
SMALL = Limits(steps=2000, output_octets=20_000)


def check(error: TemplateError, source: str) -> None:
    """A person finds what an error speaks of."""
    assert 1 <= error.line <= source.count("\n") + 1
    assert error.column >= 1
    assert error.sentence.endswith(".")


@given(SOURCES, DATA)
def test_any_text_is_a_template_or_a_template_error(source: str, data: Any) -> None:
    try:
        template = compile_template(source)
        template.render(data, partials={"p": template}, limits=SMALL)
        template.render(data, partials={"p": template}, limits=SMALL, escape=False, on_missing="keep")
    except TemplateError as error:
        check(error, source)


@given(st.sampled_from(sorted(FUNCTIONS)), st.lists(DATA, min_size=1, max_size=3))
def test_any_arguments_make_a_value_or_a_template_error(name: str, arguments: list[Any]) -> None:
    function = FUNCTIONS[name]
    count = max(function.minimum, min(len(arguments), function.maximum or 3))
    source = f"{{{{{name} {' '.join(f'a{number}' for number in range(count))}}}}}"
    try:
        compile_template(source).render({f"a{number}": value for number, value in enumerate(arguments)})
    except TemplateError as error:
        check(error, source)


@given(st.text().filter(lambda text: "{{" not in text))
def test_text_without_mustaches_passes_as_it_is(text: str) -> None:
    assert compile_template(text).render({}).text == text


@given(st.text(max_size=30) | st.lists(PIECES, max_size=10).map("".join))
def test_values_never_become_template_source(value: str) -> None:
    data = {"v": value, "a": "A", "list": [value], "map": {value: value}}

    assert compile_template("{{{v}}}").render(data).text == value
    assert compile_template("{{#each list}}{{{.}}}{{/each}}").render(data).text == value
    assert compile_template("{{#each map}}{{{@key}}}{{{this}}}{{/each}}").render(data).text == value + value
    assert compile_template("{{> p v=v}}").render(data, partials={"p": compile_template("{{{v}}}")}).text == value
    assert compile_template("{{v}}").render(data, escape=False, on_missing="keep").text == value


@given(st.text())
def test_escaped_values_hold_nothing_that_html_reads(value: str) -> None:
    text = compile_template("{{v}}").render({"v": value}).text

    assert not set("<>\"'`=") & set(text)
    assert text.replace("&amp;", "").count("&") == text.count(";") - text.count("&amp;") - value.count(";")


@given(DATA)
def test_rendering_twice_makes_the_same(data: Any) -> None:
    template = compile_template(
        "{{#each this}}{{@key}}{{this}}{{#each this}}{{@../key}}{{.}}{{/each}}{{/each}}{{a}}{{b.c}}"
    )

    assert template.render(data) == template.render(data)
