"""The console's templates and how values look in them."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from postroad.httpd.console.browsers import browser_name
from postroad.model.delivery import standing_of
from postroad.model.ids import text_of
from postroad.protocol.mime.date import utc_moment

_environment = Environment(
    loader=PackageLoader("postroad.httpd.console"),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def render(template: str, **values: Any) -> str:
    """Return a template filled in."""
    return _environment.get_template(template).render(**values)


def shown_time(instant: int | None, form: str = "full") -> Markup:
    """Return an instant in UTC, which the browser shows in its own zone.

    ``form`` is ``full``, ``short``, ``seconds`` or ``ago``.
    """
    if instant is None:
        return Markup('<span class="muted">never</span>')
    at = utc_moment(instant)
    machine = at.isoformat(timespec="seconds").replace("+00:00", "Z")
    people = at.strftime("%Y-%m-%d %H:%M UTC")
    return Markup('<time datetime="{}" data-form="{}">{}</time>').format(machine, form, people)


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _length_of_time(ms: int) -> str:
    """Return how long something took, as short as it can be told."""
    if ms < 1000:
        return f"{ms} ms"
    return f"{ms / 1000:.1f} s" if ms < 60_000 else f"{ms // 60_000} min {ms % 60_000 // 1000} s"


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:.1f}%"


def _breakable(text: str) -> Markup:
    """Let long names break after dots, at signs and slashes."""
    broken = escape(text)
    for mark in (".", "@", "/"):
        broken = broken.replace(mark, mark + Markup("<wbr>"))
    return broken


_environment.globals["standing_of"] = standing_of
_environment.filters |= {
    "length_of_time": _length_of_time,
    "browser": browser_name,
    "time": shown_time,
    "id": text_of,
    "count": _count,
    "breakable": _breakable,
    "percent": _percent,
}
