"""SparkPost's substitution language, as its reference describes it."""

import time
from typing import Any

import pytest

from postroad.dialects.sparkpost.substitution import Budget, Dynamic, SubstitutionError, pieces_of

DATA: dict[str, Any] = {
    "name": "<Zoë>",
    "n": 5,
    "zero": 0,
    "yes": True,
    "none": None,
    "nested": {"x": {"y": "deep"}, "with-dash": "dash"},
    "items": [{"n": 1, "tags": ["a", "b"]}, {"n": 2, "tags": []}],
    "empty": [],
    "braces": "{{name}}",
}


def rendered(text: str, *, escapes: bool = True, data: dict[str, Any] | None = None) -> str:
    budget = Budget()
    pieces = pieces_of(text)
    return "".join(
        one if isinstance(one, str) else one.rendered(data or DATA, budget, escapes=escapes) for one in pieces
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain } text {", "plain } text {"),
        ("{{name}}", "&lt;Zoë&gt;"),
        ("{{ name }} {{{name}}} {{{ name }}}", "&lt;Zoë&gt; <Zoë> <Zoë>"),
        ("{{missing}}|{{none}}|{{zero}}|{{yes}}", "||0|true"),
        ("{{nested.x.y}} {{nested['with-dash']}} {{nested.with-dash}}", "deep dash dash"),
        ("{{items[1].n}}{{items[9].n}}", "2"),
        ("{{missing or 'default'}}", "default"),
        ("{{missing or 'it\\'}}", "it\\"),
        ('{{{missing or "it\'s {"}}}', None),
        ('{{{missing or "it\'s"}}}', "it's"),
        ("{{name or 'default'}}", "&lt;Zoë&gt;"),
        ("{{missing or nested.x.y or 'last'}}", "deep"),
        ("{{if yes}}a{{else}}b{{end}}{{ if zero }}c{{ else }}d{{ end }}", "ad"),
        ("{{if n == 4}}4{{elseif n == 5}}5{{else}}?{{end}}", "5"),
        ("{{if n > 4 and n <= 5 and not empty}}in{{end}}", "in"),
        ("{{if (n < 4 or yes) and name != 'x'}}in{{end}}", "in"),
        ("{{if not not yes}}in{{end}}{{if empty(empty)}}none{{end}}", "innone"),
        ('{{if nested.x.y == "deep"}}\n  kept\\{{end}}', "\n  kept\\"),
        (
            "{{each items}}{{loop_index}}:{{loop_var.n}}[{{each loop_var.tags}}{{loop_var}}{{loop_vars.items.n}}{{n}}{{end}}]{{end}}",
            "0:1[a15b15]1:2[]",
        ),
        ("{{each items}}{{if loop_var.tags}}{{loop_var.tags[0]}}{{else}}-{{end}}{{end}}", "a-"),
        ("{{each missing}}x{{end}}{{each empty}}x{{end}}", ""),
        ("{{opening_double_curly()}}x{{closing_double_curly()}}{{opening_triple_curly()}}", "{{x}}{{{"),
        ("{{{braces}}}", "{{name}}"),
        ("{ {{name}} }", "{ &lt;Zoë&gt; }"),
        ("{{if yes}}{ {{{name}}}{{end}}", "{ <Zoë>"),
        ("a\\{{n}}", "a\\5"),
    ],
)
def test_texts_are_rendered(text: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(SubstitutionError):
            rendered(text)
    else:
        assert rendered(text) == expected


def test_plain_texts_are_not_escaped() -> None:
    assert rendered("{{name}} {{if yes}}<b>{{name}}{{end}}", escapes=False) == "<Zoë> <b><Zoë>"


def test_the_data_cannot_be_mistaken_for_the_texts_of_a_block() -> None:
    assert rendered("{{if yes}}text{{0}}{{end}}".replace("{{0}}", ""), data={"yes": 1, "0": ["other"]}) == "text"


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("a\n{{name", 2, "'{{' has no '}}'"),
        ("{{if yes}}", 1, "{{if}} has no {{end}}"),
        ("\n\n{{each items}}", 3, "{{each}} has no {{end}}"),
        ("{{end}}", 1, "{{end}} stands outside a block"),
        ("{{else}}", 1, "{{else}} stands outside a block"),
        ("{{if yes}}{{else}}{{else}}{{end}}", 1, "{{else}} cannot stand here"),
        ("{{each items}}{{elseif yes}}{{end}}", 1, "{{elseif}} cannot stand here"),
        ("{{if yes}}{{end x}}", 1, "{{end}} takes nothing behind it, not 'x'"),
        ("{{}}", 1, "a name is missing"),
        ("{{if}}{{end}}", 1, "a name is missing"),
        ("{{a b}}", 1, "syntax error near 'b'"),
        ("{{a or}}", 1, "the expression breaks off"),
        ("{{(a}}", 1, "a closing parenthesis is missing"),
        ("{{a ==}}", 1, "the expression breaks off"),
        ("{{#if a}}", 1, "syntax error near '#if a'"),
        ("{{> partial}}", 1, "syntax error near '>'"),
        ("{{render_snippet('x')}}", 1, "there is no function render_snippet()"),
        ("{{" + "(" * 30 + "a" + ")" * 30 + "}}", 1, "parentheses are nested more than 20 times"),
        ("{{if a}}" * 21 + "{{end}}" * 21, 1, "blocks are nested more than 20 times"),
        ("{{a}}" * 2001, 1, "there are more than 2000 substitutions"),
    ],
)
def test_what_is_not_understood_is_told_with_its_line(text: str, line: int, sentence: str) -> None:
    with pytest.raises(SubstitutionError) as caught:
        pieces_of(text)
    assert (caught.value.line, caught.value.sentence[: len(sentence)]) == (line, sentence)


def test_all_recipients_together_may_take_so_many_steps() -> None:
    [piece] = pieces_of("{{each items}}{{each items}}{{loop_var.n}}{{end}}{{end}}")
    assert not isinstance(piece, str)
    budget = Budget(steps=100)
    data = {"items": [{"n": 1}] * 5}
    with pytest.raises(SubstitutionError, match="all recipients together"):
        for _ in range(100):
            piece.rendered(data, budget, escapes=True)


def test_a_value_with_a_nul_is_refused() -> None:
    with pytest.raises(SubstitutionError, match="holds a NUL"):
        rendered("{{name}}", data={"name": "a\0b"})


@pytest.mark.parametrize(
    "text", [("\n" * 4000 + "{{a}}") * 2000, "{{if a}}" + ("\n" * 4000 + "{{a}}") * 1998 + "{{end}}"]
)
def test_a_long_text_costs_no_more_than_its_length(text: str) -> None:
    begun = time.process_time()
    pieces = pieces_of(text)

    assert time.process_time() - begun < 1
    assert [one.line for one in pieces if isinstance(one, Dynamic)][-1] in {8_000_001, 1}


def test_the_substitutions_of_a_text_are_bounded_together() -> None:
    pieces_of("{{" + "a or " * 19_999 + "a}}")
    with pytest.raises(SubstitutionError, match="have more than 100,000 characters"):
        pieces_of("{{" + "a or " * 10_000 + "a}}{{" + "a or " * 10_000 + "a}}")
