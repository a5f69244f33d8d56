"""How much one rendering may do: templates are written by customers, and one of them must not take the whole worker."""

import msgspec

NESTING_STOP = 100
"""Blocks and subexpressions in one another, in one template: each takes a few frames of the interpreter's stack."""

VALUE_STOP = 1_000_000
"""Characters in a text that a function makes: such texts can be fed to the function again, and double each time."""


class Limits(msgspec.Struct, frozen=True):
    """The bounds of one rendering, its partials included."""

    steps: int = 200_000
    """Statements that may be run; both sides of a condition count, a loop's body once for each item, and what a
    function does with a long text in proportion to it. One takes about half a microsecond."""
    depth: int = NESTING_STOP
    """Blocks, subexpressions and partials in one another."""
    partials: int = 32
    """Partials that may call one another, as in a tree of comments that calls itself."""
    output_octets: int = 2_000_000
    """The result in UTF-8, and any part of it on the way."""


DEFAULT_LIMITS = Limits()
