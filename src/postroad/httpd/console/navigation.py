"""The side menu: what there is to see for whoever looks."""

import msgspec

from postroad.model.actor import Actor


class Entry(msgspec.Struct, frozen=True):
    """One line of the menu."""

    label: str
    path: str
    icon: str
    is_current: bool = False


_ACCOUNT = (
    Entry("Overview", "/", "overview"),
    Entry("Messages", "/messages", "message"),
    Entry("Events", "/events", "event"),
    Entry("Statistics", "/statistics", "statistics"),
    Entry("Domains", "/domains", "domain"),
    Entry("Templates", "/templates", "template"),
    Entry("Suppressions", "/suppressions", "block"),
    Entry("Webhooks", "/webhooks", "webhook"),
    Entry("Credentials", "/credentials", "key"),
    Entry("Settings", "/settings", "settings"),
)
_OPERATOR = (
    Entry("Accounts", "/accounts", "account"),
    Entry("People", "/people", "person"),
    Entry("Vetting", "/vetting", "check"),
    Entry("Lock-outs", "/lockouts", "lock"),
    Entry("Blocked links", "/blocked-destinations", "block"),
    Entry("Audit log", "/audit-log", "search"),
)
_DEV = (Entry("Capture inbox", "/inbox", "inbox"),)


class Group(msgspec.Struct, frozen=True):
    """Lines of the menu that belong together."""

    label: str
    entries: tuple[Entry, ...]


def groups_for(actor: Actor, path: str, *, has_inbox: bool) -> tuple[Group, ...]:
    """Return the menu, with the line that the page at ``path`` belongs to marked."""
    groups = [Group("This account", _ACCOUNT)] if actor.account_id is not None else []
    if actor.is_operator:
        groups.append(Group("Installation", _OPERATOR))
    if has_inbox:
        groups.append(Group("Development", _DEV))
    return tuple(Group(group.label, _marked(group.entries, path)) for group in groups)


def _marked(entries: tuple[Entry, ...], path: str) -> tuple[Entry, ...]:
    return tuple(msgspec.structs.replace(entry, is_current=_is_at(entry.path, path)) for entry in entries)


def _is_at(entry_path: str, path: str) -> bool:
    return path == entry_path or (entry_path != "/" and path.startswith(f"{entry_path}/"))
