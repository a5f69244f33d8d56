"""The template language beside handlebars.js 4.7: the same output, or an intended difference with its reason.

``handlebars_cases.json`` holds the templates. What handlebars.js makes of them is asked anew in each run, of one process.
A case with ``differs`` says what this product makes of it instead, and why; it fails when the two agree after all.
"""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from postroad.templates import TemplateError, compile_template
from tests.conformance.handlebars_templates import DATA, PARTIALS, Maker
from tests.peers.node import run_node

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("handlebars_cases.json").read_text("utf-8"))
MADE: list[dict[str, Any]] = [
    {"name": f"made {number}", "template": Maker(random.Random(number)).template(), "data": DATA, "partials": PARTIALS}
    for number in range(1500)
]
pytestmark = pytest.mark.peer("node", "npm:handlebars")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Return what handlebars.js makes of each case, by its name."""
    path = tmp_path_factory.mktemp("handlebars") / "cases.json"
    path.write_text(json.dumps([*CASES, *MADE]), "utf-8")
    outcomes = run_node("handlebars.mjs", {"cases": str(path)})
    return {case["name"]: outcome for case, outcome in zip([*CASES, *MADE], outcomes, strict=True)}


def outcome_of(case: dict[str, Any]) -> dict[str, str]:
    try:
        partials = {name: compile_template(text, name=name) for name, text in case.get("partials", {}).items()}
        template = compile_template(case["template"])
        rendered = template.render(case["data"], partials=partials, escape=not case.get("noEscape", False))
    except TemplateError as error:
        return {"error": str(error)}
    return {"output": rendered.text}


def agree(one: dict[str, str], other: dict[str, str]) -> bool:
    """Both made the same, or both refused: the words of a refusal are ours."""
    return one == other or ("error" in one and "error" in other)


@pytest.mark.parametrize("case", [case for case in CASES if "differs" not in case], ids=lambda case: case["name"])
def test_template_makes_what_it_makes_in_handlebars_js(case: dict[str, Any], theirs: dict[str, dict[str, str]]) -> None:
    ours = outcome_of(case)

    assert agree(ours, theirs[case["name"]]), (ours, theirs[case["name"]])


@pytest.mark.parametrize("case", [case for case in CASES if "differs" in case], ids=lambda case: case["name"])
def test_intended_difference_is_as_it_is_listed(case: dict[str, Any], theirs: dict[str, dict[str, str]]) -> None:
    ours, expected = outcome_of(case), case["differs"]["ours"]

    assert case["differs"]["reason"].endswith(".")
    assert not agree(ours, theirs[case["name"]])
    if isinstance(expected, str):
        assert ours == {"output": expected}
    else:
        assert expected["error"] in ours["error"]


def test_templates_made_at_random_make_what_they_make_in_handlebars_js(theirs: dict[str, dict[str, str]]) -> None:
    differing = [
        (case["template"], ours, theirs[case["name"]])
        for case in MADE
        if not agree(ours := outcome_of(case), theirs[case["name"]])
    ]

    assert differing == []
    outputs = [outcome["output"] for case in MADE if "output" in (outcome := theirs[case["name"]])]
    assert len(outputs) > len(MADE) * 0.9
    # What is blank, or the same as another, would hold whatever the two make of it.
    assert sum(not output.isspace() and output != "" for output in outputs) > len(MADE) * 0.75
    assert len(set(outputs)) > len(MADE) * 0.75


def test_there_are_enough_cases_with_names_of_their_own() -> None:
    assert len(CASES) >= 300
    assert len({case["name"] for case in CASES}) == len(CASES)
