"""What a template is refused with: its name, the place, and a sentence for people."""

import pytest

from postroad.templates import TemplateError, compile_template


@pytest.mark.parametrize(
    ("source", "line", "column", "sentence"),
    [
        ("a\nb {{name", 2, 3, "This tag is not closed: }} is missing."),
        ("{{! never", 1, 1, "This comment is not closed."),
        ("{{!-- x }}", 1, 1, "This comment is not closed."),
        ('{{upper "abc}}', 1, 9, "This text has no closing quotation mark."),
        ("{{a.[b}}", 1, 5, "This bracket is not closed."),
        ("{{a,b}}", 1, 4, "',' cannot stand here in a tag."),
        ("\n\n  {{#if a}}x", 3, 3, "This block is not closed: {{/if}} is missing."),
        ("{{#if a}}\n{{#each b}}\n{{/if}}", 3, 1, "if is closed here, but each of line 2 is open."),
        ("x{{/if}}", 1, 2, "This closes a block that was not opened."),
        ("x{{else}}", 1, 2, "{{else}} stands outside of a block."),
        ("{{#if a}}{{else}}{{else}}{{/if}}", 1, 18, "There is an {{else}} too many in this block."),
        ("{{}}", 1, 3, "A name or a value is missing before }}."),
        ("{{upper (lower a}}", 1, 9, "This parenthesis is not closed."),
        ("{{a}}}}{{b", 1, 4, "There is a } too many."),
        ("{{> p a b}}", 1, 9, "A partial takes one context; other values are named: key=value."),
        ("{{> p a=1 b}}", 1, 11, "Arguments stand before key=value, not after."),
        ("{{> p a=}}", 1, 9, "The value of a= is missing."),
        ("{{> p a.b=1}}", 1, 7, "A single name must stand before =."),
        ("{{a/../b}}", 1, 5, ".. stands at the beginning of a path only."),
        ("{{#each a as |}}{{/each}}", 1, 15, "Names between bars are meant here: as |item index|."),
        ("{{uper name}}", 1, 3, "There is no function uper; upper is the nearest name."),
        ("{{frobnicate 1}}", 1, 3, "There is no function frobnicate."),
        ("{{#frob 1}}{{/frob}}", 1, 4, "There is no function frob."),
        ("{{if a b}}", 1, 3, "if is a block: {{#if …}} … {{/if}}."),
        ("{{a.b 1}}", 1, 3, "There is no function a.b."),
        ("{{upper a b}}", 1, 3, "upper takes 1 argument, not 2."),
        ("{{eq a}}", 1, 3, "eq takes 2 arguments, not 1."),
        ("{{and a}}", 1, 3, "and takes at least 2 arguments, not 1."),
        ("{{truncate a}}", 1, 3, "truncate takes 2 to 3 arguments, not 1."),
        ("{{upper a b=1}}", 1, 3, "upper has no option b=; it has none."),
        ("{{formatNumber a places=1}}", 1, 3, "formatNumber has no option places=; it has thousands, decimal."),
        ("{{#upper a}}{{/upper}}", 1, 4, "upper makes a value and has no block: {{upper …}}."),
        ("{{#if a b}}{{/if}}", 1, 4, "if takes one argument, not 2."),
        ("{{#if a b=1}}{{/if}}", 1, 4, "if has no option b=."),
        ("{{#if a includeZero=b}}{{/if}}", 1, 4, "includeZero= is either true or false."),
        ("{{#if a as |b|}}{{/if}}", 1, 4, "as |b| has no meaning in this block."),
        ("{{* x}}", 1, 1, 'There are no decorators but {{#*inline "name"}}.'),
        ("{{#*other}}{{/other}}", 1, 1, 'There are no decorators but {{#*inline "name"}}.'),
        (
            "{{#*inline name}}{{/inline}}",
            1,
            5,
            'An inline partial has its name in quotation marks: {{#*inline "name"}}.',
        ),
        ("{{{{raw}}}} x", 1, 1, "This raw block is not closed."),
        ("{{{{raw}}}}{{{{/row}}}}", 1, 12, "raw is open here, not row."),
        ("{{a b=1", 1, 1, "This tag is not closed: }} is missing."),
    ],
)
def test_what_is_not_understood_is_told_with_its_place(source: str, line: int, column: int, sentence: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template(source, name="welcome.html")

    assert (caught.value.line, caught.value.column, caught.value.sentence) == (line, column, sentence)
    assert caught.value.template == "welcome.html"
    assert str(caught.value) == f"welcome.html, line {line}, column {column}: {sentence}"


@pytest.mark.parametrize(
    ("source", "line", "column", "sentence"),
    [
        ("a\n  {{divide 1 zero}}", 2, 5, "divide: nothing can be divided by zero."),
        ("{{add text 1}}", 1, 3, "add: 'abc' is not a number."),
        ("{{upper (add list 1)}}", 1, 10, "add: a list is not a number."),
        ("{{> nope}}", 1, 1, "There is no partial nope."),
        (
            "x {{> @partial-block}}",
            1,
            3,
            "@partial-block is for partials that are called with a block: {{#> name}} … {{/name}}.",
        ),
        ("{{> (lookup this 'zero')}}", 1, 6, "The name of a partial is a text."),
        (
            "{{formatDate text}}",
            1,
            3,
            "formatDate: 'abc' is no date: write 2026-11-27T06:30:00Z, or seconds since 1970.",
        ),
        (
            "{{formatDate 0 'YYYY' 'Mars/Base'}}",
            1,
            3,
            "formatDate: 'Mars/Base' is no time zone: write one such as Europe/Berlin.",
        ),
        ("{{truncate text -1}}", 1, 3, "truncate: the length is a whole number from 0 to 1000000."),
    ],
)
def test_what_cannot_be_rendered_is_told_with_its_place(source: str, line: int, column: int, sentence: str) -> None:
    template = compile_template(source, name="a.html")
    with pytest.raises(TemplateError) as caught:
        template.render({"zero": 0, "text": "abc", "list": []})

    assert str(caught.value) == f"a.html, line {line}, column {column}: {sentence}"


def test_an_error_in_a_partial_names_the_partial() -> None:
    footer = compile_template("\n{{divide 1 0}}", name="footer")

    with pytest.raises(TemplateError) as caught:
        compile_template("{{> footer}}", name="letter").render({}, partials={"footer": footer})

    assert (caught.value.template, caught.value.line) == ("footer", 2)


def test_long_names_are_shown_in_part_and_cost_little() -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template("{{" + "x" * 100_000 + " 1}}")

    assert len(str(caught.value)) < 200
