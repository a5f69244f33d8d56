"""What Template.render gives besides the text, and what its switches change; the language itself is held by
tests/conformance/test_handlebars.py."""

from typing import Any

import pytest

from postroad.templates import TemplateError, compile_template


def render(source: str, data: Any = None, **options: Any) -> str:
    return compile_template(source).render(data if data is not None else {}, **options).text


def missing(source: str, data: Any) -> tuple[str, ...]:
    return compile_template(source).render(data).missing


def test_missing_variables_are_named_once_in_the_order_of_their_first_use() -> None:
    assert missing("{{b}} {{a}} {{c.d}} {{b}} {{there}} {{null}}", {"there": 1, "null": None}) == ("b", "a", "c.d")


def test_a_variable_that_is_null_is_not_missing() -> None:
    assert missing("[{{name}}{{person.name}}]", {"name": None, "person": {"name": None}}) == ()


@pytest.mark.parametrize(
    "source",
    [
        "{{#if x}}a{{/if}}", "{{#unless x}}a{{/unless}}", "{{#each x}}a{{/each}}", "{{#with x}}a{{/with}}", "{{#x}}a{{/x}}",
        "{{^x}}a{{/x}}", '{{default x "d"}}', "{{#if (eq x 1)}}a{{/if}}", "{{#if (upper x)}}a{{/if}}", "{{or x 1}}", "{{length x}}",
        '{{default (upper x) "d"}}', "{{#if (and x y)}}a{{/if}}",
    ],
)  # fmt: skip
def test_asking_whether_a_variable_is_there_misses_nothing(source: str) -> None:
    assert missing(source, {}) == ()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("{{upper x}}", "x"), ("{{add 1 order.count}}", "order.count"), ("{{upper (lower x)}}", "x"),
        ('{{formatMoney 1 "EUR" thousands=x}}', "x"), ("{{lookup table x}}", "lookup table x"), ("{{@index}}", "@index"),
        ("{{../x}}", "../x"), ("{{#each list}}{{x}}{{/each}}", "x"), ("{{list.[7]}}", "list.[7]"),
    ],
)  # fmt: skip
def test_what_is_to_be_written_and_is_not_there_is_missing(source: str, name: str) -> None:
    assert missing(source, {"table": {"a": 1}, "list": [{}]}) == (name.replace("[7]", "7"),)


def test_kept_variables_stay_as_they_were_written_and_are_noted_still() -> None:
    source = 'Hi {{ name }} {{{raw}}} {{upper x}} {{~y~}} {{default z "d"}} {{there}}'

    rendered = compile_template(source).render({"there": "T"}, on_missing="keep")

    assert rendered.text == "Hi {{ name }} {{{raw}}} {{upper x}}{{~y~}}d T"
    assert rendered.missing == ("name", "raw", "x", "y")


def test_kept_variables_within_blocks_and_partials_stay_too() -> None:
    partials = {"p": compile_template("<{{b}}>")}

    text = render(
        "{{#each list}}{{a}}{{> p}}{{/each}}{{#if (upper c)}}no{{/if}}",
        {"list": [1, 2]},
        partials=partials,
        on_missing="keep",
    )

    assert text == "{{a}}<{{b}}>{{a}}<{{b}}>"


def test_plain_text_is_not_escaped_in_partials_either() -> None:
    partials = {"p": compile_template("{{x}}")}

    assert (
        render("{{x}} {{#if x}}{{upper x}}{{/if}} {{> p}}", {"x": "a&'<"}, partials=partials, escape=False)
        == "a&'< A&'< a&'<"
    )
    assert render("{{x}} {{> p}}", {"x": "&"}, partials=partials) == "&amp; &amp;"


def test_one_template_renders_as_html_and_as_text_by_turns() -> None:
    template = compile_template("{{x}}")

    assert [template.render({"x": "&"}, escape=escape).text for escape in (True, False, True)] == [
        "&amp;",
        "&",
        "&amp;",
    ]


def test_the_partials_that_a_template_names_are_known() -> None:
    template = compile_template(
        '{{> a}}{{#if x}}{{> "b c"}}{{/if}}{{#> d/e.html}}{{> @partial-block}}{{/d/e.html}}{{> (concat "f")}}'
    )

    assert template.partials == {"a", "b c", "d/e.html"}


def test_a_partial_is_chosen_by_name_and_never_made_of_data() -> None:
    with pytest.raises(TemplateError, match=r"There is no partial \{\{x\}\}\."):
        render("{{> (concat source)}}", {"source": "{{x}}", "x": 1})


def test_a_failed_rendering_leaves_the_template_usable() -> None:
    template = compile_template("{{#*inline 'p'}}{{divide 1 n}}{{/inline}}{{> p}}")
    with pytest.raises(TemplateError):
        template.render({"n": 0})

    assert template.render({"n": 2}).text == "0.5"


def test_the_data_are_not_changed() -> None:
    data = {"a": {"b": [1, {"c": 2}]}, "n": 1}

    render(
        "{{#with a}}{{> p x=1 b=2}}{{/with}}{{#each a.b}}{{this}}{{/each}}",
        data,
        partials={"p": compile_template("{{x}}{{b}}")},
    )

    assert data == {"a": {"b": [1, {"c": 2}]}, "n": 1}


@pytest.mark.parametrize(
    "source",
    [
        "{{a.__class__}}", "{{a.__class__.__mro__}}", "{{list.append}}", "{{text.upper}}", "{{lookup a '__class__'}}", "{{this.__dict__}}",
        "{{a.items}}", "{{a.get}}", "{{@root.__class__}}", "{{@__class__}}", "{{@root.keys}}", "{{#with a}}{{__init__}}{{/with}}",
        "{{@index.__class__}}", "{{number.real}}", "{{number.__add__}}", "{{@parent}}", "{{@block}}",
    ],
)  # fmt: skip
def test_no_attribute_of_anything_can_be_reached(source: str) -> None:
    assert render(source, {"a": {"b": 1}, "list": [1], "text": "t", "number": 5}) == ""


def test_keys_that_look_like_attributes_are_keys() -> None:
    assert render("{{__class__}} {{a.items}}", {"__class__": "c", "a": {"items": "i"}}) == "c i"


def test_what_is_not_plain_data_is_the_callers_mistake() -> None:
    with pytest.raises(TypeError, match="object, which is not plain data"):
        render("{{x}}", {"x": object()})
