"""What one rendering carries with it: the data in view, and what has been used up of the limits."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from postroad.templates.limits import Limits
from postroad.templates.values import UNDEFINED

if TYPE_CHECKING:
    from postroad.templates.compiler import Compiled
    from postroad.templates.template import Template

Evaluate: TypeAlias = Callable[[Any, "Scope"], Any]
"""Makes a value of the context and what is around it."""
Write: TypeAlias = Callable[[Any, "Scope"], str]
"""Makes a text of them."""


class KeptError(Exception):
    """A mustache misses a variable and is to be left as it was written."""


class Run:
    """One rendering, its partials included."""

    __slots__ = (
        "depth", "depth_stop", "is_escaped", "keeps_missing", "missing", "partial_depth", "partial_stop", "partials",
        "root", "size_stop", "steps",
    )  # fmt: skip

    def __init__(
        self,
        root: Any,
        partials: "dict[str, Template | InlinePartial]",
        limits: Limits,
        *,
        is_escaped: bool,
        keeps_missing: bool,
    ) -> None:
        self.root = root
        self.partials = partials
        self.is_escaped = is_escaped
        self.keeps_missing = keeps_missing
        self.missing: dict[str, None] = {}
        self.steps = limits.steps
        self.size_stop = limits.output_octets
        self.depth = 0
        self.depth_stop = limits.depth
        self.partial_depth = 0
        self.partial_stop = limits.partials

    def miss(self, name: str) -> None:
        """Note a variable that is not in the data; raises KeptError where its mustache is to stay."""
        self.missing[name] = None
        if self.keeps_missing:
            raise KeptError


class Frame:
    """What ``@index`` and its kin mean; loops and partials with a block put a new one on the one before."""

    __slots__ = ("block", "first", "index", "key", "last", "parent")

    def __init__(self, parent: "Frame | None") -> None:
        self.parent = parent
        self.index: Any = UNDEFINED
        self.key: Any = UNDEFINED
        self.first: Any = UNDEFINED
        self.last: Any = UNDEFINED
        self.block: PartialBlock | None = None

    @classmethod
    def on(cls, parent: "Frame") -> "Frame":
        """Return a frame that says what ``parent`` does."""
        frame = cls(parent)
        frame.index, frame.key = parent.index, parent.key
        frame.first, frame.last = parent.first, parent.last
        frame.block = parent.block
        return frame


class Scope:
    """The context of a block and what is around it."""

    __slots__ = ("frame", "parameters", "parent", "run", "this")

    def __init__(self, this: Any, parent: "Scope | None", frame: Frame, parameters: "Parameters", run: Run) -> None:
        self.this = this
        self.parent = parent
        self.frame = frame
        self.parameters = parameters
        self.run = run


Parameters: TypeAlias = "tuple[tuple[Any, ...], Parameters] | None"
"""The values of block parameters, the innermost block's first, each with those of the blocks around it."""


class InlinePartial:
    """A partial that was written within a template, and the scope that it was written in."""

    __slots__ = ("compiled", "scope")

    def __init__(self, compiled: "Compiled", scope: Scope) -> None:
        self.compiled = compiled
        self.scope = scope


class PartialBlock:
    """What ``{{> @partial-block}}`` stands for: the block that a partial was called with."""

    __slots__ = ("compiled", "outer", "scope")

    def __init__(self, compiled: "Compiled", scope: Scope, outer: "PartialBlock | None") -> None:
        self.compiled = compiled
        self.scope = scope
        self.outer = outer
