"""Create people, their sessions and the audit log; widen SMTP users; create API keys, lock-outs and certificates."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# An id that stood for a person or a key must not stand for another later: the audit log remembers it.
NEVER_REUSED = {"sqlite_autoincrement": True}
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_people()
    _create_signing_in()
    _create_audit_log()
    _widen_smtp_users()
    _create_api_keys()
    _create_lockouts()
    _create_certificates()


def _create_people() -> None:
    op.create_table(
        "users",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("account_id", BIG, sa.ForeignKey("accounts.id"), index=True),
        sa.Column("email", sa.Text, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("is_operator", sa.Boolean, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("networks", sa.Text, nullable=False),
        sa.Column("totp_secret", sa.LargeBinary),
        sa.Column("totp_last_step", sa.BigInteger),
        sa.Column("recovery_codes", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("disabled_at", sa.BigInteger),
        sa.Column("last_signed_in_at", sa.BigInteger),
        **NEVER_REUSED,
    )
    op.create_table(
        "memberships",
        sa.Column("user_id", BIG, sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("account_id", BIG, sa.ForeignKey("accounts.id"), primary_key=True, index=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("invited_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "invitations",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("account_id", BIG, sa.ForeignKey("accounts.id"), nullable=False, index=True),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("token_hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("invited_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        **NEVER_REUSED,
    )


def _create_signing_in() -> None:
    op.create_table(
        "web_sessions",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("token_hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("user_id", BIG, sa.ForeignKey("users.id"), nullable=False, index=True),
        sa.Column("account_id", BIG),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("client_address", sa.Text, nullable=False),
        sa.Column("user_agent", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_seen_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        **NEVER_REUSED,
    )
    op.create_table(
        "one_time_tokens",
        sa.Column("token_hash", sa.LargeBinary, primary_key=True),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("user_id", BIG, sa.ForeignKey("users.id"), index=True),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "passkeys",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("user_id", BIG, sa.ForeignKey("users.id"), nullable=False, index=True),
        sa.Column("credential_id", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_used_at", sa.BigInteger),
        **NEVER_REUSED,
    )
    op.create_table(
        "identities",
        sa.Column("issuer", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("user_id", BIG, sa.ForeignKey("users.id"), nullable=False, index=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )


def _create_audit_log() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("account_id", BIG),
        sa.Column("actor_kind", sa.Text, nullable=False),
        sa.Column("actor_id", BIG),
        sa.Column("actor_name", sa.Text, nullable=False),
        sa.Column("client_address", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        **NEVER_REUSED,
    )
    op.create_index("audit_entries_by_account", "audit_entries", ["account_id", "id"])


def _widen_smtp_users() -> None:
    for column in (
        sa.Column("requires_tls", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("hourly_limit", sa.Integer),
        sa.Column("daily_limit", sa.Integer),
        sa.Column("allowed_from", sa.Text, nullable=False, server_default="[]"),
        sa.Column("last_used_address", sa.Text),
        sa.Column("last_used_tls", sa.Boolean),
    ):
        op.add_column("smtp_users", column)
    op.create_table(
        "quota_usage",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("period", sa.Text, primary_key=True),
        sa.Column("starts_at", sa.BigInteger, primary_key=True),
        sa.Column("used", sa.BigInteger, nullable=False),
    )
    op.create_index("quota_usage_by_start", "quota_usage", ["starts_at"])


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("account_id", BIG, sa.ForeignKey("accounts.id"), nullable=False, index=True),
        sa.Column("domain_id", BIG, sa.ForeignKey("domains.id"), index=True),
        sa.Column("prefix", sa.Text, nullable=False, unique=True),
        sa.Column("secret_hash", sa.LargeBinary, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("networks", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_used_at", sa.BigInteger),
        sa.Column("last_used_address", sa.Text),
        sa.Column("last_refused_at", sa.BigInteger),
        sa.Column("last_refused_address", sa.Text),
        **NEVER_REUSED,
    )
    op.create_table(
        "signing_keys",
        sa.Column("account_id", BIG, sa.ForeignKey("accounts.id"), primary_key=True, autoincrement=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("previous_key", sa.LargeBinary),
        sa.Column("previous_until", sa.BigInteger),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )


def _create_lockouts() -> None:
    op.create_table(
        "lockouts",
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("account_id", BIG, index=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("times_locked", sa.Integer, nullable=False),
        sa.Column("last_failed_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("locked_until", sa.BigInteger),
        sa.Column("last_address", sa.Text, nullable=False),
        sa.Column("last_username", sa.Text, nullable=False),
    )
    op.create_table(
        "login_networks",
        sa.Column("network", sa.Text, primary_key=True),
        sa.Column("credential_id", BIG, primary_key=True, autoincrement=False),
        sa.Column("last_success_at", sa.BigInteger, nullable=False, index=True),
    )


def _create_certificates() -> None:
    op.create_table(
        "certificates",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("directory", sa.Text, nullable=False),
        sa.Column("certificate", sa.Text),
        sa.Column("private_key", sa.LargeBinary),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("next_attempt_at", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_error", sa.Text, nullable=False),
    )
    op.create_table(
        "acme_challenges",
        sa.Column("token", sa.Text, primary_key=True),
        sa.Column("authorization", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
