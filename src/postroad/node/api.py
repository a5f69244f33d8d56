"""The services behind the HTTP APIs, as one worker has them."""

import secrets
from pathlib import Path

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.config import Settings
from postroad.delivery.previews import Previews
from postroad.events.tags import Tags
from postroad.httpd.api.limits import CallLimits
from postroad.httpd.api.services import ApiServices, Domains, MailGroups, Management
from postroad.httpd.api.uploads import UploadLimits, Uploads
from postroad.httpd.console.console import Console
from postroad.messages.batches import Batches
from postroad.messages.transmissions import Transmissions
from postroad.model.ids import IdSource
from postroad.net.clock import now_ms
from postroad.storage.database import Database
from postroad.submission.accept import Submissions
from postroad.suppressions.groups import Groups


def api_services(
    settings: Settings,
    database: Database,
    *,
    ids: IdSource,
    keys: ApiKeyCheck,
    submissions: Submissions,
    previews: Previews,
    domains: Domains,
    groups: MailGroups,
    console: Console,
) -> ApiServices:
    """Return what calls of the APIs are answered with; an account is managed by the services of the console."""
    http = settings.http
    limits = UploadLimits(
        largest=http.max_request_size, in_memory=http.max_bytes_in_flight, on_disk=http.max_bytes_spooled
    )

    def new_id(partition: int) -> int:
        return ids.next(now_ms(), partition)

    return ApiServices(
        keys=keys,
        limits=CallLimits(
            now_ms, calls_per_minute=http.calls_per_minute, failures_per_minute=http.failed_proofs_per_minute
        ),
        submissions=submissions,
        previews=previews,
        domains=domains,
        management=management_of(console, database),
        database=database,
        uploads=Uploads(limits, Path(settings.data_dir)),
        clock=now_ms,
        max_message_size=settings.smtp.max_message_size,
        batches=Batches(database, now_ms, new_id, lambda: secrets.token_urlsafe(24)),
        transmissions=Transmissions(database, now_ms, new_id),
        groups=groups,
    )


def management_of(console: Console, database: Database) -> Management:
    """Return what an account is managed by, of the services of the console."""
    return Management(
        registration=console.registration,
        verification=console.verification,
        smtp_users=console.smtp_users,
        api_keys=console.api_keys,
        signing=console.signing,
        templates=console.templates,
        suppressions=console.suppressions,
        groups=Groups(database, now_ms),
        imports=console.imports,
        address_checks=console.address_checks,
        list_checks=console.list_checks,
        inbound_routes=console.inbound_routes,
        webhooks=console.webhooks.addresses,
        trial=console.webhooks.trial,
        call_log=console.webhooks.log,
        messages=console.messages,
        events=console.events,
        statistics=console.statistics,
        tags=Tags(database, now_ms),
    )
