"""What ``postroad check`` looks at of address checks: whether the operator's list can be used."""

from pathlib import Path

from postroad.cli.findings import Finding
from postroad.config import Settings
from postroad.suppressions.address_lists import ListFileError, disposable_domains

_SUBJECT = "disposable domains"


def disposable_list(settings: Settings) -> list[Finding]:
    """Look at the file of disposable domains; nothing where Postroad's own list is used."""
    path = settings.address_check.disposable_domains
    if not path:
        return []
    try:
        found = disposable_domains(Path(path))
    except ListFileError as error:
        remedy = "Mend address_check.disposable_domains; until then the list that comes with Postroad is used."
        return [Finding(_SUBJECT, "warning", f"{error}.", remedy)]
    return [Finding(_SUBJECT, "ok", f"{path} names {len(found):,} domains.")]
