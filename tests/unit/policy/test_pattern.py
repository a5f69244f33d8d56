"""Expressions of users against what strangers send: the same answers as Python's, and always soon."""

import random
import re
import time
import warnings

import pytest

from postroad.policy.pattern import LONGEST_PATTERN, LONGEST_TEXT, Pattern, PatternError

ATOMS = (
    "a",
    "b",
    "ab",
    "[ab]",
    "[^a]",
    ".",
    r"\d",
    r"\w",
    r"\S",
    "(a|b)",
    "(?:ab|)",
    "(a*)",
    "^",
    "$",
    r"\b",
    "x",
    r"\.",
)
REPETITIONS = ("", "", "", "*", "+", "?", "{2}", "{0,2}", "{1,}", "{2,3}", "*?", "{0}")


def made_at_random(chance: random.Random) -> str:
    text = "".join(chance.choice(ATOMS) + chance.choice(REPETITIONS) for _ in range(chance.randint(1, 5)))
    if chance.random() < 0.3:
        text += "|" + chance.choice(ATOMS)
    return f"({text}){chance.choice(REPETITIONS)}" if chance.random() < 0.3 else text


@pytest.mark.parametrize("seed", range(20))
def test_it_matches_what_python_matches(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(150):
        expression = made_at_random(chance)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                oracle = re.compile(expression, re.IGNORECASE)
        except re.error:
            continue
        pattern = Pattern(expression)
        for _ in range(5):
            text = "".join(chance.choice("abxAB1 .") for _ in range(chance.randint(0, 9)))
            assert pattern.matches(text) is (oracle.search(text) is not None), (expression, text)


@pytest.mark.parametrize(
    "expression", ["(a+)+$", "(.*)*x", "(a|a)*b", ".*.*.*.*.*x", r"(\w+\s?)*!", "(.{0,10}){0,9}z", "(((a*)*)*)*b"]
)
def test_what_takes_others_for_ever_ends_soon(expression: str) -> None:
    began = time.process_time()
    assert not Pattern(expression).matches("a" * (LONGEST_TEXT - 1) + "\x01" + "a" * 9_000)
    assert time.process_time() - began < 0.1


@pytest.mark.parametrize(
    ("expression", "text", "is_match"),
    [
        (r"^help@", "Help@example.com", True),
        (r"^help@", "no-help@example.com", False),
        ("ärger", "Ärger", True),
        ("[a-c]X", "bx", True),
        (r"[\d.]+$", "1.5", True),
        ("]", "]", True),
        ("[]a]", "]", True),
        ("", "anything", True),
        (r"\[ticket #\d+\]", "Re: [Ticket #42] printer", True),
    ],
)
def test_examples(expression: str, text: str, is_match: bool) -> None:
    assert Pattern(expression).matches(text) is is_match


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("(a", "missing )"),
        ("a)", "unexpected )"),
        ("[a", "missing ]"),
        ("*a", "no argument for repetition operator: *"),
        ("a**", "bad repetition operator: **"),
        (r"(a)\1", r"invalid escape sequence: \1"),
        ("(?=a)", "invalid perl operator: (?="),
        ("a{3,2}", "invalid repetition size: {3,2}"),
        ("((a{100}){100}){100}", "invalid repetition size"),
        ("[z-a]", "invalid character class range: z-a"),
        ("a" * (LONGEST_PATTERN + 1), "has 501 characters; at most 500"),
        ("\\", "trailing"),
    ],
)
def test_what_is_not_understood_is_said(expression: str, what: str) -> None:
    with pytest.raises(PatternError, match=re.escape(what)):
        Pattern(expression)


def test_letters_behind_the_limit_are_not_looked_at() -> None:
    assert not Pattern("x").matches("a" * LONGEST_TEXT + "x")


def test_octets_that_are_no_utf_8_are_letters_like_others() -> None:
    assert Pattern("^a.b$").matches("a\udcffb")
