"""The parameters of calls that manage: what a query and a form say, read one by one."""

import msgspec

from postroad.dialects.headers import values
from postroad.dialects.headers.values import OptionValueError
from postroad.model.refused import RefusedError
from postroad.protocol.mime.date import format_date

_USUAL, _MOST = 100, 1000


class Parameters(msgspec.Struct, frozen=True):
    """What a call says, by name; raises RefusedError, which names the parameter, for what is not understood."""

    values: dict[str, list[str]]

    def has(self, name: str) -> bool:
        """Whether a parameter is given, be it empty."""
        return name in self.values

    def text(self, name: str, default: str = "") -> str:
        """Return a text without white space around it."""
        given = self.values.get(name)
        return given[0].strip() if given else default

    def needed(self, name: str) -> str:
        """Return a text that must be there."""
        found = self.text(name)
        if not found:
            raise RefusedError(f"{name} parameter is missing", field=name)
        return found

    def texts(self, name: str) -> list[str]:
        """Return the texts of a parameter that may be repeated, without empty ones."""
        return [one.strip() for one in self.values.get(name, ()) if one.strip()]

    def switch(self, name: str) -> bool | None:
        """Return a switch; None where it is not given."""
        given = self.text(name)
        if not given:
            return None
        try:
            return values.read_switch(given)
        except OptionValueError as error:
            raise RefusedError(f"{name} {error}", field=name) from error

    def number(self, name: str, default: int, *, least: int = 0, most: int = 2**31 - 1) -> int:
        """Return a whole number."""
        given = self.text(name)
        if not given:
            return default
        if not (given.isascii() and given.removeprefix("-").isdecimal() and least <= int(given[:20]) <= most):
            raise RefusedError(f"{name} must be a whole number from {least} to {most}", field=name)
        return int(given)

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str:
        """Return one of some words, in lower case; nothing where it is not given."""
        given = self.text(name).lower()
        if given and given not in allowed:
            raise RefusedError(f"{name} must be one of {', '.join(allowed)}", field=name)
        return given

    @property
    def limit(self) -> int:
        """How many things of a list are asked for."""
        return self.number("limit", _USUAL, most=_MOST) or _USUAL

    @property
    def skip(self) -> int:
        """How many of them are passed over."""
        return self.number("skip", 0)


def gmt(at: int) -> str:
    """Return an instant as Mailgun writes it: ``Sat, 21 Nov 2026 02:00:00 GMT``."""
    return format_date(at).replace("+0000", "GMT")
