"""``postroad complaint``: what recipients complained of, as mailbox providers pass it on."""

from typing import BinaryIO

import click

from postroad.cli.command_ids import command_ids
from postroad.cli.invocation import Invocation, refuse, with_database
from postroad.cli.output import answer
from postroad.events.documents import event_document
from postroad.feedback.complaints import Complaints, FeedbackKeys
from postroad.net.clock import now_ms
from postroad.node.keys import installation_keys
from postroad.protocol.arf import MAX_OCTETS
from postroad.storage.database import Database


@click.group()
def complaint() -> None:
    """Complaints of recipients, from the feedback loops of mailbox providers."""


@complaint.command()
@click.argument("file", type=click.File("rb"), default="-")
@with_database
async def read(invocation: Invocation, database: Database, file: BinaryIO) -> None:
    """Read one feedback report (ARF, RFC 5965) from a file or the standard input, and count it.

    A mailbox that takes part in feedback loops can hand its mail to this command. A report that was counted before, or that
    is no complaint, ends well and changes nothing; one that cannot be matched to a message of this installation is refused.
    """
    content = all_that_matters(file)
    keys = await installation_keys(database, invocation.data_dir)
    async with command_ids(database) as ids:
        feedback_keys = FeedbackKeys(identifier=(keys.identifier,), return_path=(keys.return_path,))
        receipt = await Complaints(database, feedback_keys, now_ms, ids.next).receive(content)
    if receipt.result.is_failure:
        refuse(receipt.sentence)
    event = None if receipt.event is None else event_document(receipt.event)
    answer(invocation, {"result": receipt.result.value, "event": event}, receipt.sentence)


def all_that_matters(file: BinaryIO) -> bytes:
    """Return the beginning of a report, and read the rest."""
    content = file.read(MAX_OCTETS)
    while file.read(MAX_OCTETS):
        # Whoever writes to us from a pipe would take a pipe that is closed early for a failure.
        continue
    return content
