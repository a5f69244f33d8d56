"""Fuzz target: regular expressions of inbound routes and the texts they meet; Python's own are the oracle.

``python -m tests.fuzz pattern`` runs it. Behind a line feed the expression ends and the text begins.
"""

import re
import warnings

from postroad.policy.pattern import Pattern, PatternError

_MEANS_THE_SAME = re.compile(r"(?:[a-zA-Z0-9@ .^$|*+?()-]|\\[dwDWb.])*").fullmatch
"""Whether an expression says nothing that RE2 and Python read differently."""


def run_one(data: bytes) -> None:
    """Match ``data``; an exception other than for the expression, or another match than Python's, is a finding."""
    expression, _, text = data.decode("latin-1").partition("\n")
    text = text[:20]
    try:
        matches = Pattern(expression).matches(text)
    except PatternError:
        return
    if len(expression) > 12 or not text.isascii() or "(?" in expression or not _MEANS_THE_SAME(expression):
        # Longer ones may take Python for ever, which is why they are not left to it.
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            oracle = re.compile(expression, re.IGNORECASE | re.ASCII)
    except (re.error, OverflowError):
        return
    # Python's $ stands before a last line feed as well.
    if not text.endswith("\n"):
        assert matches is (oracle.search(text) is not None), (expression, text)
