"""The control plane: small, and read often. Instants are BIGINT milliseconds since 1970."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, Table, Text

from postroad.storage.schema.metadata import metadata

accounts = Table(
    "accounts",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("suspended_at", BigInteger),
)

domains = Table(
    "domains",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("settings", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("verified_at", BigInteger),
    Column("checked_at", BigInteger),
    Column("failing_since", BigInteger),
    Column("paused_at", BigInteger),
    Column("pause_reason", Text, nullable=False),
    Column("resumed_at", BigInteger),
    Column("delivered_before_resume", BigInteger, nullable=False),
    Column("bounced_before_resume", BigInteger, nullable=False),
    Column("complained_before_resume", BigInteger, nullable=False),
)

dkim_keys = Table(
    "dkim_keys",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("domain_id", BigInteger, nullable=False),
    Column("selector", Text, nullable=False),
    Column("algorithm", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("private_key", LargeBinary, nullable=False),
    Column("public_key", Text, nullable=False),
    Column("signs_organisational", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

smtp_users = Table(
    "smtp_users",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("domain_id", BigInteger, nullable=False),
    Column("username", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("networks", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    Column("last_used_at", BigInteger),
    Column("requires_tls", Boolean, nullable=False),
    Column("hourly_limit", Integer),
    Column("daily_limit", Integer),
    Column("allowed_from", Text, nullable=False),
    Column("last_used_address", Text),
    Column("last_used_tls", Boolean),
)

quota_usage = Table(
    "quota_usage",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("starts_at", BigInteger, primary_key=True),
    Column("used", BigInteger, nullable=False),
)

client_faults = Table(
    "client_faults",
    metadata,
    Column("credential_id", BigInteger, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("account_id", BigInteger, nullable=False, index=True),
    Column("count", BigInteger, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False, index=True),
    Column("client_address", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("recipient_count", Integer, nullable=False),
    Column("reply", Text, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("account_id", BigInteger),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("is_operator", Boolean, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("networks", Text, nullable=False),
    Column("totp_secret", LargeBinary),
    Column("totp_last_step", BigInteger),
    Column("recovery_codes", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    Column("last_signed_in_at", BigInteger),
)

memberships = Table(
    "memberships",
    metadata,
    Column("user_id", BigInteger, primary_key=True),
    Column("account_id", BigInteger, primary_key=True),
    Column("role", Text, nullable=False),
    Column("invited_by", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

invitations = Table(
    "invitations",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("email", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("token_hash", LargeBinary, nullable=False),
    Column("invited_by", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

web_sessions = Table(
    "web_sessions",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("account_id", BigInteger),
    Column("method", Text, nullable=False),
    Column("client_address", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)
"""Who is signed in to the console; ``account_id`` is the account that the person looks at, null for an operator at none."""

one_time_tokens = Table(
    "one_time_tokens",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("user_id", BigInteger),
    Column("data", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("user_id", BigInteger, nullable=False),
    Column("credential_id", LargeBinary, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
)

identities = Table(
    "identities",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("user_id", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
"""Which person an OpenID provider's subject is."""

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("account_id", BigInteger),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", BigInteger),
    Column("actor_name", Text, nullable=False),
    Column("client_address", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("before", Text),
    Column("after", Text),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("domain_id", BigInteger),
    Column("prefix", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("networks", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Column("last_used_address", Text),
    Column("last_refused_at", BigInteger),
    Column("last_refused_address", Text),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("key", LargeBinary, nullable=False),
    Column("previous_key", LargeBinary),
    Column("previous_until", BigInteger),
    Column("changed_at", BigInteger, nullable=False),
)

lockouts = Table(
    "lockouts",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("account_id", BigInteger),
    Column("failures", Integer, nullable=False),
    Column("times_locked", Integer, nullable=False),
    Column("last_failed_at", BigInteger, nullable=False),
    Column("locked_until", BigInteger),
    Column("last_address", Text, nullable=False),
    Column("last_username", Text, nullable=False),
)

login_networks = Table(
    "login_networks",
    metadata,
    Column("network", Text, primary_key=True),
    Column("credential_id", BigInteger, primary_key=True),
    Column("last_success_at", BigInteger, nullable=False),
)
"""From where a credential was proven: such a network is never locked out for what others do with the name."""

certificates = Table(
    "certificates",
    metadata,
    Column("name", Text, primary_key=True),
    Column("directory", Text, nullable=False),
    Column("certificate", Text),
    Column("private_key", LargeBinary),
    Column("expires_at", BigInteger),
    Column("next_attempt_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
)

acme_challenges = Table(
    "acme_challenges",
    metadata,
    Column("token", Text, primary_key=True),
    Column("authorization", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

templates = Table(
    "templates",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("domain_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("active_version_id", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("removed_at", BigInteger),
    Column("description", Text, nullable=False, server_default=""),
)

tag_descriptions = Table(
    "tag_descriptions",
    metadata,
    Column("domain_id", BigInteger, primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("description", Text, nullable=False),
)

template_versions = Table(
    "template_versions",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("template_id", BigInteger, nullable=False),
    Column("number", Integer, nullable=False),
    Column("tag", Text),
    Column("html", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("inlines_css", Boolean, nullable=False),
    Column("note", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
)

event_keys = Table(
    "event_keys",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("private_key", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
"""What accounts sign calls with whose format wants a key pair (ECDSA)."""

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("domain_id", BigInteger, nullable=False),
    Column("url", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("event_types", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("paused_at", BigInteger),
    Column("password", LargeBinary),
    Column("token", LargeBinary),
)

webhook_receivers = Table(
    "webhook_receivers",
    metadata,
    Column("receiver", BigInteger, primary_key=True, autoincrement=False),
    Column("lease_owner", BigInteger),
    Column("lease_until", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("failing_since", BigInteger),
    Column("paused_at", BigInteger),
    Column("next_try_at", BigInteger),
    Column("last_error", Text, nullable=False),
    Column("given_up", BigInteger, nullable=False),
    Column("told_at", BigInteger),
    Column("used_at", BigInteger, nullable=False),
)
"""Who serves a receiver of calls now, and how it has been doing (decision 0016)."""

routes = Table(
    "routes",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("destination", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("tls_rule", Text, nullable=False),
    Column("implicit_tls", Boolean, nullable=False),
    Column("username", Text),
    Column("password", LargeBinary),
    Column("created_at", BigInteger, nullable=False),
)

revision = Table(
    "revision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("revision", BigInteger, nullable=False),
)

installation = Table(
    "installation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("installation_id", Text),
    Column("key_fingerprint", Text),
    Column("created_at", BigInteger),
    Column("last_incarnation", BigInteger, nullable=False),
)

installation_secrets = Table(
    "installation_secrets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("incarnation", BigInteger, nullable=False),
    Column("node", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("pools", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("heartbeat_at", BigInteger, nullable=False),
)

site_limits = Table(
    "site_limits",
    metadata,
    Column("source", Text, primary_key=True),
    Column("site", Text, primary_key=True),
    Column("window", Integer, nullable=False),
    Column("paused_until", BigInteger),
    Column("reason", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

captures = Table(
    "captures",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("received_at", BigInteger, nullable=False),
    Column("reverse_path", Text, nullable=False),
    Column("recipients", Text, nullable=False),
    Column("header_from", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("domain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("address", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("way", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("message_id", BigInteger),
)

unsubscribe_groups = Table(
    "unsubscribe_groups",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("domain_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

suppression_imports = Table(
    "suppression_imports",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("domain_id", BigInteger, nullable=False, index=True),
    Column("file_name", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("progress", Text, nullable=False),
)

list_checks = Table(
    "list_checks",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("domain_id", BigInteger),
    Column("name", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("total", Integer, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("parts_done", Integer, nullable=False),
    Column("counts", Text, nullable=False),
    Column("failure", Text, nullable=False),
    Column("claimed_until", BigInteger, nullable=False),
)

list_check_parts = Table(
    "list_check_parts",
    metadata,
    Column("list_id", BigInteger, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("addresses", Text, nullable=False),
    Column("results", Text),
)

feedback_counts = Table(
    "feedback_counts",
    metadata,
    Column("result", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

blocked_destinations = Table(
    "blocked_destinations",
    metadata,
    Column("pattern", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
)
"""Where tracked links lead to no longer."""

recent_clicks = Table(
    "recent_clicks",
    metadata,
    Column("delivery_id", BigInteger, nullable=False, index=True),
    Column("link", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("noted_at", BigInteger, nullable=False, index=True),
)
"""What every worker tells the others of links that were followed, before any of them judges who followed them."""

inbound_routes = Table(
    "inbound_routes",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("account_id", BigInteger, nullable=False, index=True),
    Column("domain_id", BigInteger, nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("mail_from", Text, nullable=False),
    Column("mail_to", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("forward_to", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("group_id", BigInteger),
    Column("priority", Integer, nullable=False),
    Column("description", Text, nullable=False),
    Column("expression", Text, nullable=False),
)
"""What becomes of mail that sending domains receive."""

send_batches = Table(
    "send_batches",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("domain_id", BigInteger, nullable=False, index=True),
    Column("status", Text),
    Column("created_at", BigInteger, nullable=False),
)
"""What clients call messages that they hold or cancel together."""
