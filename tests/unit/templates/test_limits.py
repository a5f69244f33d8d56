"""A template cannot take more than its share: of steps, of depth, of room."""

import time

import pytest

from postroad.templates import Limits, TemplateError, compile_template
from postroad.templates.limits import NESTING_STOP


def refused(source: str, data: object = None, limits: Limits = Limits(), **partials: str) -> TemplateError:  # noqa: B008
    compiled = {name: compile_template(text, name=name) for name, text in partials.items()}
    with pytest.raises(TemplateError) as caught:
        compile_template(source, name="main").render(data or {}, partials=compiled, limits=limits)
    return caught.value


def test_loops_in_loops_run_out_of_steps_where_they_stand() -> None:
    error = refused(
        "a\n{{#each l}}{{#each @root.l}}{{#each @root.l}}x{{/each}}{{/each}}{{/each}}", {"l": list(range(100))}
    )

    assert error.sentence == "The template takes more steps than one message may."
    assert (error.line, error.column) == (2, 32)


def test_a_straight_template_counts_its_steps_too() -> None:
    assert "more steps" in refused("{{a}}" * 50, {}, Limits(steps=40)).sentence


def test_steps_within_the_limit_are_free() -> None:
    template = compile_template("{{#each l}}{{this}}{{/each}}")

    assert template.render({"l": list(range(1000))}, limits=Limits(steps=2100)).text.endswith("999")


def test_functions_over_long_texts_take_steps_even_where_nothing_is_written() -> None:
    error = refused(
        "{{#each l}}{{#if (contains @root.long 'b')}}{{/if}}{{/each}}", {"l": [0] * 1000, "long": "a" * 100_000}
    )

    assert "more steps" in error.sentence


@pytest.mark.parametrize(
    "source",
    [
        "{{#if (contains long 'b')}}{{/if}}", "{{#if (join list)}}{{/if}}", "{{#if (json list)}}{{/if}}", "{{#if (upper (join texts))}}{{/if}}",
        "{{#if (length (split long 'a'))}}{{/if}}", "{{#if (replace long 'a' 'b')}}{{/if}}", "{{#if (formatDate 0)}}{{/if}}", "{{#if (urlencode long)}}{{/if}}",
        "{{#with long}}{{#if (eq @root.long2 this)}}{{/if}}{{/with}}", "{{#with long}}{{#with @root.long2}}{{/with}}{{/with}}", "{{#if (formatMoney 1234.56 'EUR')}}{{/if}}",
        "{{> q this x=1}}", "{{#> r}}{{/r}}", "{{#*inline 'i'}}{{/inline}}{{> i}}", "{{" + "a." * 400 + "a}}", "{{" + "../" * 400 + "a}}", "{{a}}{{a}}{{a}}", "{{#each list}}{{/each}}",
        "{{#if (upper (upper (upper (upper (upper (upper 'a'))))))}}{{/if}}", "{{#each map as |v k|}}{{/each}}",
    ],
)  # fmt: skip
def test_steps_bound_the_time_whatever_they_are_spent_on(source: str) -> None:
    # Processor time, with an allowance of several times what a quiet machine takes.
    data = {
        "a": 1, "n": list(range(10_000)), "long": "a" * 50_000, "long2": "a" * 49_999 + "a", "list": list(range(2000)), "texts": ["b" * 10_000] * 5,
        "map": {f"k{number}": number for number in range(2000)},
    }  # fmt: skip
    template = compile_template(
        f"{{{{#each n}}}}{{{{#each @root.n}}}}{{{{#with @root}}}}{source}{{{{/with}}}}{{{{/each}}}}{{{{/each}}}}"
    )
    partials = {"q": compile_template(""), "r": compile_template("{{> @partial-block}}")}
    began = time.process_time()

    with pytest.raises(TemplateError, match=r"more steps|larger"):
        template.render(data, partials=partials, limits=Limits(steps=200_000))

    assert time.process_time() - began < 2


def test_partials_with_large_contexts_take_steps() -> None:
    data = {"l": [0] * 2000} | {f"k{number}": 1 for number in range(10_000)}

    assert "more steps" in refused("{{#each l}}{{> p @root x=1}}{{/each}}", data, p="").sentence


def test_the_result_is_bounded_where_it_grows() -> None:
    error = refused("\n{{#each l}}{{@root.t}}{{/each}}", {"l": [0] * 1000, "t": "x" * 10_000})

    assert error.sentence == "The result is larger than one message may be."
    assert error.line == 2


def test_the_result_is_bounded_in_octets() -> None:
    limits = Limits(output_octets=10)
    template = compile_template("{{t}}")

    assert template.render({"t": "ä" * 5}, limits=limits).text == "äääää"
    assert "larger" in refused("{{t}}", {"t": "ä" * 6}, limits).sentence
    assert "larger" in refused("{{t}}", {"t": "x" * 11}, limits).sentence


def test_no_part_on_the_way_is_larger_than_the_result_may_be() -> None:
    # Every program is short, so that nothing but what contains it can see how much it is.
    source = "{{t}}{{t}}"
    for _ in range(12):
        source = f"{{{{#if t}}}}{source}{source}{{{{/if}}}}"

    assert "larger" in refused(source, {"t": "x" * 1000}).sentence


@pytest.mark.parametrize(
    "source",
    [
        "{{> p x=(concat x x)}}",
        "{{> p x=(replace x 'a' 'aaaa')}}",
        "{{> p x=(join (split x '') 'aaaa')}}",
        "{{> p x=(urlencode (concat x '%'))}}",
        "{{> p x=(formatMoney 1 'EUR' symbol=(concat x x))}}",
    ],
)
def test_texts_cannot_be_doubled_without_end(source: str) -> None:
    error = refused("{{> p x='aaaaaaaa'}}", {}, Limits(partials=90), p=source)

    assert "characters" in error.sentence or "partials" in error.sentence or "deeply" in error.sentence


def test_numbers_cannot_be_squared_without_end() -> None:
    assert refused("{{> p x=99}}", {}, p="{{> p x=(multiply x x)}}").sentence == (
        "multiply: the result is not a number that can be written."
    )


def test_json_of_data_that_are_linked_many_times_is_bounded() -> None:
    error = refused("{{> p a=1}}", {}, p="{{#if (gt (length (json this)) 900000)}}{{/if}}{{> p a=this b=this}}")

    assert "more steps" in error.sentence or "the text would be longer" in error.sentence


def test_a_partial_that_calls_itself_is_stopped() -> None:
    error = refused("{{> p}}", {}, p="\n {{> p}}")

    assert (error.template, error.line, error.column) == ("p", 2, 2)
    assert error.sentence == "More than 32 partials call one another here."


def test_blocks_and_partials_share_the_depth() -> None:
    nested = "{{#if a}}" * 30 + "{{> p}}" + "{{/if}}" * 30

    assert "nested too deeply" in refused("{{> p}}", {"a": 1}, p=nested).sentence


def test_blocks_in_one_another_are_bounded() -> None:
    deep = "{{#if a}}" * (NESTING_STOP + 1) + "{{/if}}" * (NESTING_STOP + 1)
    with pytest.raises(TemplateError, match="blocks stand in one another"):
        compile_template(deep)
    with pytest.raises(TemplateError, match="blocks stand in one another"):
        compile_template("{{upper " + "(upper " * (NESTING_STOP + 1) + "a" + ")" * (NESTING_STOP + 1) + "}}")


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("{{#if a}}{{a}}{{a}}{{a}}{{a}}{{a}}{{a}}{{a}}", "{{/if}}"),
        ("{{#each @root.l as |x y|}}{{a}}{{a}}{{a}}{{a}}{{a}}{{a}}{{a}}{{@index}}", "{{/each}}"),
        ("{{#with @root}}{{#*inline 'x'}}{{/inline}}{{a}}{{a}}{{a}}{{a}}{{a}}{{a}}", "{{/with}}"),
        ("{{#if b}}{{else if b}}", "{{/if}}"),
        ("{{#> p}}", "{{/p}}"),
    ],
)
def test_the_deepest_nesting_fits_the_interpreters_stack(opening: str, closing: str) -> None:
    depth = NESTING_STOP // 2 - 1 if "else" in opening or "#> p" in opening else NESTING_STOP - 2
    template = compile_template(opening * depth + "{{a}}" + closing * depth)

    template.render(
        {"a": 1, "l": [1]}, partials={"p": compile_template("{{> @partial-block}}")}, limits=Limits(partials=100)
    )


def test_a_long_chain_of_conditions_is_understood() -> None:
    chain = "{{#if (eq x 0)}}0" + "".join(f"{{{{else if (eq x {n})}}}}{n}" for n in range(1, 80)) + "{{/if}}"

    assert compile_template(chain).render({"x": 79}).text == "79"


def test_data_that_are_nested_too_deeply_are_refused() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]

    assert refused("{{x}}", {"x": deep}).sentence == "x: lists are nested too deeply to be written."
    assert "nested too deeply" in refused("{{json x}}", {"x": deep}).sentence
    assert refused("{{upper x}}", {"x": deep}).sentence == "upper: a list is not a text."
