"""From calls of partials to functions that write their text.

A partial sees the data that it is given, ``@root``, and the loop that it is called in; ``../`` leads nowhere from it,
but from a partial that is written inline, which has the surroundings of the place where it was written.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from postroad.templates.expressions import call as call_of
from postroad.templates.expressions import evaluate, work
from postroad.templates.place import shown
from postroad.templates.run import Evaluate, Frame, InlinePartial, PartialBlock, Scope, Write
from postroad.templates.syntax import Call, Literal, PartialCall, Path
from postroad.templates.values import UNDEFINED, are_same

if TYPE_CHECKING:
    from postroad.templates.compiler import Compiled, Compiler

BLOCK_NAME = "@partial-block"


def partial_call(compiler: "Compiler", node: PartialCall) -> tuple[Write, int]:
    """Return what writes a partial, and how many steps it takes besides those of the partial."""
    compiler.data_uses += 1
    name_of = _name(compiler, node)
    context_of = _context(compiler, node)
    default = compiler.side(node.program, node.offset, is_entered=True) if node.program is not None else None
    enter = _entrance(compiler, node, default)
    indent = node.indent

    def write(this: Any, scope: Scope) -> str:
        text = enter(name_of(this, scope), context_of(this, scope), scope)
        return _indented(text, indent) if indent else text

    given = [*([node.context] if node.context is not None else []), *(value for _, value in node.options)]
    steps = 2 + work(node.name) + sum(map(work, given))
    return write, steps + (default.cost if default is not None else 0)


def _name(compiler: "Compiler", node: PartialCall) -> Evaluate:
    if isinstance(node.name, Call):
        return _made_name(compiler, node.name)
    name = node.name.original if isinstance(node.name, Path) else node.name.name
    if isinstance(node.name, Literal) or name != BLOCK_NAME:
        compiler.partial_names.add(name)
    return lambda _this, _scope: name


def _made_name(compiler: "Compiler", head: Call) -> Evaluate:
    compiler.makes_partial_names = True
    inner, source, offset = call_of(compiler, head, notes_missing=False), compiler.source, head.offset

    def name_of(this: Any, scope: Scope) -> str:
        name = inner(this, scope)
        if not isinstance(name, str):
            source.refuse(offset, "The name of a partial is a text.")
        return name

    return name_of


def _context(compiler: "Compiler", node: PartialCall) -> Evaluate:
    base = evaluate(compiler, node.context) if node.context is not None else None
    # As in handlebars.js: key=undefined says nothing, while a variable that is not there hides the context's.
    options = [
        (key, evaluate(compiler, value))
        for key, value in node.options
        if not (isinstance(value, Literal) and value.name == "undefined" and value.value is None)
    ]
    if not options:
        return base or (lambda this, _scope: this)

    def merged(this: Any, scope: Scope) -> dict[str, Any]:
        context = this if base is None else base(this, scope)
        values = dict(context) if context.__class__ is dict else {}
        # Copying has its price; whether it can be paid is asked when the partial is entered.
        scope.run.steps -= len(values) // 8
        for key, value_of in options:
            value = value_of(this, scope)
            if value is UNDEFINED:
                values.pop(key, None)
            else:
                values[key] = value
        return values

    return merged


def _entrance(compiler: "Compiler", node: PartialCall, default: "Compiled | None") -> Callable[[str, Any, Scope], str]:
    """Return what finds a partial by name and writes it."""
    offset, source = node.offset, compiler.source
    depth = compiler.depth_here() + 1
    too_deep, too_long = compiler.too_deep(offset), compiler.too_long(offset)

    def enter(name: str, context: Any, scope: Scope) -> str:
        run, frame = scope.run, scope.frame
        partials = run.partials
        found = frame.block if name == BLOCK_NAME else partials.get(name)
        if default is not None:
            frame = Frame.on(frame)
            frame.block = PartialBlock(default, scope, scope.frame.block)
            if default.inlines:
                run.partials = {**partials, **{key: InlinePartial(one, scope) for key, one in default.inlines}}
        if found is None:
            found = frame.block if default is not None else None
        if found is None:
            source.refuse(offset, _missing(name))
        run.depth += depth
        run.partial_depth += 1
        if run.partial_depth > run.partial_stop:
            source.refuse(offset, f"More than {run.partial_stop} partials call one another here.")
        compiled, inner = _prepared(found, context, frame, scope)
        if run.depth + compiled.depth > run.depth_stop:
            raise too_deep()
        run.steps -= compiled.cost
        if run.steps < 0:
            raise too_long()
        text = compiled.write(context, inner)
        run.partials = partials
        run.partial_depth -= 1
        run.depth -= depth
        return text

    return enter


def _prepared(found: Any, context: Any, frame: Frame, caller: Scope) -> "tuple[Compiled, Scope]":
    """Return what is to be written, and the scope that it is written in."""
    if isinstance(found, PartialBlock):
        frame = Frame.on(frame)
        frame.block = found.outer
    elif not isinstance(found, InlinePartial):
        return found.compiled(is_escaped=caller.run.is_escaped), Scope(context, None, frame, None, caller.run)
    written_in = found.scope
    parent = written_in.parent if are_same(context, written_in.this) else written_in
    return found.compiled, Scope(context, parent, frame, written_in.parameters, caller.run)


def _missing(name: str) -> str:
    if name == BLOCK_NAME:
        return f"{BLOCK_NAME} is for partials that are called with a block: {{{{#> name}}}} … {{{{/name}}}}."
    return f"There is no partial {shown(name)}."


def _indented(text: str, indent: str) -> str:
    *lines, last = text.split("\n")
    return "\n".join([*(indent + line for line in lines), indent + last if last else ""])
