"""The side menu: what there is to see for whoever looks."""

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from postroad.httpd.console.view import View


class Entry(msgspec.Struct, frozen=True):
    """One line of the menu."""

    label: str
    path: str
    icon: str
    is_current: bool = False


_ACCOUNT = (
    Entry("Overview", "/", "overview"),
    Entry("Messages", "/messages", "message"),
    Entry("Domains", "/domains", "domain"),
    Entry("Credentials", "/credentials", "key"),
    Entry("Settings", "/settings", "settings"),
)
_OPERATOR = (
    Entry("Accounts", "/accounts", "account"),
    Entry("People", "/people", "person"),
    Entry("Vetting", "/vetting", "check"),
    Entry("Lock-outs", "/lockouts", "lock"),
    Entry("Audit log", "/audit-log", "search"),
)
_DEV = (Entry("Capture inbox", "/inbox", "inbox"),)


def entries_for(view: "View") -> tuple[Entry, ...]:
    """Return the menu, with the line that the page belongs to marked."""
    if not view.is_signed_in:
        return ()
    entries: tuple[Entry, ...] = _ACCOUNT if view.actor.account_id is not None else ()
    if view.actor.is_operator:
        entries += _OPERATOR
    if view.console.has_inbox:
        entries += _DEV
    path = view.request.url.path
    return tuple(msgspec.structs.replace(entry, is_current=_is_at(entry.path, path)) for entry in entries)


def _is_at(entry_path: str, path: str) -> bool:
    return path == entry_path or (entry_path != "/" and path.startswith(f"{entry_path}/"))
