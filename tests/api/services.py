"""The services behind the HTTP APIs, with mail that is taken down instead of stored."""

import itertools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.config import Settings
from postroad.delivery.contents import Contents, TemplateContents
from postroad.delivery.previews import Previews
from postroad.dns.answer import Answer, AnswerStatus, RecordType
from postroad.httpd.api.limits import CallLimits
from postroad.httpd.api.services import ApiServices
from postroad.httpd.api.uploads import UploadLimits, Uploads
from postroad.httpd.console.console import Console
from postroad.messages.batches import Batches
from postroad.messages.transmissions import Transmissions
from postroad.model.domain import SendingDomain
from postroad.model.submission import Rejected, Submission
from postroad.model.webhook import Call
from postroad.node.api import management_of
from postroad.node.console import console_of
from postroad.policy.alignment import OrganisationalDomains
from postroad.policy.explanation import ExplainedCall
from postroad.protocol.dkim.key import SigningKey
from postroad.storage import domains
from postroad.storage.database import Database
from postroad.storage.secrets import Vault
from postroad.submission.batch import Refusals
from postroad.suppressions.group_directory import GroupDirectory
from postroad.webhooks.post import Answer as Reply

NOW = 1_780_000_000_000
LIMITS = UploadLimits(largest=54_945_382, in_memory=256 * 1024 * 1024, on_disk=1024 * 1024 * 1024)


VAULT = Vault(bytes(range(32)))
_IDS = itertools.count(1)
_ORGANISATIONAL = OrganisationalDomains()


class Receipt(msgspec.Struct, frozen=True):
    message_id: int
    message_id_header: str


class TakenDown:
    """Keeps what is submitted; ``answer`` decides what is said."""

    def __init__(self) -> None:
        self.submitted: list[Submission] = []
        self.refused: list[Rejected] = []
        self.answer: Callable[[Submission], Receipt | Rejected] = lambda _: Receipt(1, "<1@news.example.com>")

    async def submit(self, submission: Submission) -> Receipt | Rejected:
        self.submitted.append(submission)
        return self.answer(submission)

    async def submit_all(
        self, submissions: Sequence[Submission], *, is_kept: bool = True
    ) -> tuple[Receipt, ...] | Refusals:
        if is_kept:
            self.submitted += submissions
        answers = {place: self.answer(one) for place, one in enumerate(submissions)}
        refused = {place: one for place, one in answers.items() if isinstance(one, Rejected)}
        return Refusals(refused) if refused else tuple(one for one in answers.values() if isinstance(one, Receipt))

    async def explain(self, submissions: Sequence[Submission]) -> ExplainedCall:
        raise NotImplementedError

    async def note_rejected(self, submission: Submission, rejected: Rejected, size: int) -> None:
        self.refused.append(rejected)


class OfDomains:
    """What delivery asks about sending domains that have no keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, domain_id: int) -> SendingDomain:
        found: SendingDomain | None = await self._database.read(domains.get, domain_id)
        assert found is not None
        return found

    async def signing_keys(self, domain_id: int) -> Sequence[SigningKey]:
        return ()

    async def return_path_host(self, domain_id: int) -> str:
        return "bounces.example.net"


def previews(database: Database, templates: TemplateContents | None = None) -> Previews:
    return Previews(lambda: Contents(database, OfDomains(database), lambda: NOW, 100_000_000, templates))


class Directory:
    """Reads domains from the database of the key check."""

    def __init__(self, check: ApiKeyCheck) -> None:
        self._database = check._database

    async def get(self, domain_id: int) -> SendingDomain | None:
        found: SendingDomain | None = await self._database.read(domains.get, domain_id)
        return found


def api_services(
    check: ApiKeyCheck,
    taken: TakenDown | None = None,
    *,
    limits: UploadLimits = LIMITS,
    folder: Path | None = None,
    call_limits: CallLimits | None = None,
) -> ApiServices:
    return ApiServices(
        keys=check,
        limits=call_limits or CallLimits(lambda: NOW, calls_per_minute=0, failures_per_minute=0),
        submissions=taken or TakenDown(),
        previews=previews(check._database),
        domains=Directory(check),
        management=management_of(_console(check._database), check._database),
        database=check._database,
        uploads=Uploads(limits, folder or Path(tempfile.gettempdir())),
        clock=lambda: NOW,
        max_message_size=26_214_400,
        batches=Batches(check._database, lambda: NOW, lambda _: next(_IDS), lambda: f"batch-{next(_IDS)}"),
        transmissions=Transmissions(check._database, lambda: NOW, lambda _: next(_IDS)),
        groups=GroupDirectory(check._database),
    )


class NoRecords:
    """A resolver that finds nothing."""

    async def resolve(self, name: str, record_type: RecordType) -> Answer:
        return Answer(status=AnswerStatus.NO_DATA)


class Nowhere:
    """Makes no calls."""

    async def post(self, url: str, call: Call, began: int) -> Reply:
        return Reply(error="nobody is called in these tests")


def _console(database: Database) -> Console:
    nobody: Any = None
    return console_of(
        Settings(),
        database,
        VAULT,
        _ORGANISATIONAL,
        NoRecords(),
        # No person signs in here.
        notices=nobody,
        passwords=nobody,
        poster=Nowhere(),
        new_id=lambda partition: next(_IDS) << 20 | partition,
        has_inbox=False,
    )
