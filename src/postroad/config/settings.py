"""The one value that holds every setting, composed of the sections that the packages declare."""

from typing import Annotated

import msgspec

from postroad.accounts.settings import AccountsSettings
from postroad.delivery.settings import DeliverySettings
from postroad.dns.settings import DnsSettings
from postroad.domains.settings import DomainsSettings
from postroad.feedback.settings import TrackingSettings
from postroad.httpd.settings import HttpSettings
from postroad.net.settings import TlsSettings
from postroad.smtpd.settings import InboundSettings, SmtpSettings
from postroad.submission.settings import SubmissionSettings
from postroad.suppressions.settings import AddressCheckSettings
from postroad.telemetry.settings import LogSettings
from postroad.upkeep.settings import RetentionSettings
from postroad.webhooks.settings import WebhooksSettings


class AdminSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The door for whoever operates the node."""

    listen: Annotated[
        str,
        msgspec.Meta(description="Address that answers `/healthz`, `/readyz` and `/metrics`; empty turns it off."),
    ] = "127.0.0.1:8026"


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where rows are kept."""

    url: Annotated[
        str,
        msgspec.Meta(
            description="`postgresql://user@host/name`, or empty for the embedded SQLite file in the data folder."
            " Parameters are those of libpq: `?sslmode=verify-full&sslrootcert=/path` demands TLS and verifies the server."
        ),
    ] = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting of an installation, with its default."""

    data_dir: Annotated[
        str,
        msgspec.Meta(
            description="Folder for the embedded database, the master key and certificates of our own making."
        ),
    ] = "./postroad-data"
    workers: Annotated[
        int, msgspec.Meta(ge=0, le=64, description="Worker processes; 0 means one per core (at most 4 with SQLite).")
    ] = 0
    user: Annotated[
        str,
        msgspec.Meta(description="User to go on as once root has bound the low ports; empty to stay who started it."),
    ] = ""
    database: DatabaseSettings = DatabaseSettings()
    smtp: SmtpSettings = SmtpSettings()
    inbound: InboundSettings = InboundSettings()
    accounts: AccountsSettings = AccountsSettings()
    dns: DnsSettings = DnsSettings()
    domains: DomainsSettings = DomainsSettings()
    submission: SubmissionSettings = SubmissionSettings()
    delivery: DeliverySettings = DeliverySettings()
    webhooks: WebhooksSettings = WebhooksSettings()
    tls: TlsSettings = TlsSettings()
    http: HttpSettings = HttpSettings()
    tracking: TrackingSettings = TrackingSettings()
    address_check: AddressCheckSettings = AddressCheckSettings()
    admin: AdminSettings = AdminSettings()
    retention: RetentionSettings = RetentionSettings()
    log: LogSettings = LogSettings()
