"""Regular expressions that always end soon: they are written by users and matched against what strangers send.

RE2 takes time that grows with the text alone, whatever the expression (decision 0018). What that cannot do, back references
and look-around, is refused when an expression is written. Case does not matter, and a match may be anywhere.
"""

import functools

import re2

LONGEST_PATTERN = 500
"""Characters of an expression."""
LONGEST_TEXT = 1000
"""Characters of a text that are looked at."""
_MOST_OCTETS = 1 << 20
"""What a compiled expression may take."""


class PatternError(ValueError):
    """An expression that is not understood; the text is part of a sentence that says what and where."""


class Pattern:
    """A compiled expression; raises PatternError."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST_PATTERN:
            raise PatternError(f"has {len(text)} characters; at most {LONGEST_PATTERN} are allowed")
        try:
            self._compiled = re2.compile(_encoded(text), _options())
        except re2.error as error:
            raise PatternError(f"is not understood: {error.args[0].decode('utf-8', 'replace')}") from error

    def matches(self, text: str) -> bool:
        """Whether the expression matches somewhere in the first ``LONGEST_TEXT`` characters."""
        return self._compiled.search(_encoded(text[:LONGEST_TEXT])) is not None


@functools.lru_cache(maxsize=1000)
def pattern(text: str) -> Pattern:
    """Return a compiled expression; raises PatternError."""
    return Pattern(text)


def _encoded(text: str) -> bytes:
    # Octets of an address that are no UTF-8 come as lone surrogates, which RE2 would not take.
    return text.encode("utf-8", "replace")


def _options() -> re2.Options:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = _MOST_OCTETS
    return options
