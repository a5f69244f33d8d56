"""A message's own variables as the events of one recipient tell them: as they stand in that recipient's copy."""

from collections.abc import Mapping
from typing import Any

import msgspec

from postroad.model.options import OnMissing
from postroad.protocol.mime.header import HeaderBlock, split
from postroad.rendering.merge_header import display_names
from postroad.rendering.merge_values import Filling, TooMuchError, Values
from postroad.rendering.placeholder import PLACEHOLDER, Addressee


def differs_by_recipient(variables: Mapping[str, Any]) -> bool:
    """Whether placeholders stand in variables."""
    return bool(variables) and PLACEHOLDER.search(msgspec.json.encode(variables)) is not None


def told_variables(
    variables: Mapping[str, Any],
    recipient: str,
    values: Mapping[str, Any],
    *,
    on_missing: OnMissing = OnMissing.EMPTY,
    header: bytes = b"",
) -> dict[str, Any]:
    """Return variables with a recipient's values in place of placeholders.

    ``header`` is where the display names stand. Variables whose values are too much for a copy stay as they are: no copy was
    made.
    """
    block = split(header)
    names = display_names(block) if isinstance(block, HeaderBlock) else {}
    addressee = Addressee(address=recipient, display_name=names.get(recipient.lower(), ""), variables=values)
    try:
        filled = Values(Filling(addressee=addressee, on_missing=on_missing)).replaced_within(dict(variables))
    except TooMuchError:
        return dict(variables)
    assert isinstance(filled, dict)
    return filled
