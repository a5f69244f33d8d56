"""Create the control plane and the data plane."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# An id that stood for a credential or a domain must not stand for another later: events and caches remember it.
NEVER_REUSED = {"sqlite_autoincrement": True}
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_customers()
    _create_dkim_keys()
    _create_smtp_users()
    _create_routes()
    _create_installation()
    _create_workers()
    _create_captures()
    _create_messages()
    _create_bodies()
    _create_deliveries()
    _create_events()


def _data_key(name: str = "id", *more: str) -> sa.PrimaryKeyConstraint:
    """Return a data-plane key: with the partition on PostgreSQL, the bare row id on SQLite, where it is far cheaper."""
    columns = (name, *more)
    return sa.PrimaryKeyConstraint(
        *(("partition", *columns) if op.get_bind().dialect.name == "postgresql" else columns)
    )


def _create_customers() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("suspended_at", sa.BigInteger),
        **NEVER_REUSED,
    )
    op.create_table(
        "domains",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("account_id", BIG, sa.ForeignKey("accounts.id"), nullable=False, index=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("verified_at", sa.BigInteger),
        sa.Column("checked_at", sa.BigInteger),
        sa.Column("failing_since", sa.BigInteger),
        **NEVER_REUSED,
    )


def _create_dkim_keys() -> None:
    op.create_table(
        "dkim_keys",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("domain_id", BIG, sa.ForeignKey("domains.id"), nullable=False),
        sa.Column("selector", sa.Text, nullable=False),
        sa.Column("algorithm", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("private_key", sa.LargeBinary, nullable=False),
        sa.Column("public_key", sa.Text, nullable=False),
        sa.Column("signs_organisational", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        **NEVER_REUSED,
    )
    # A retired key's selector comes round again at a later rotation.
    unretired = sa.text("state <> 'retired'")
    op.create_index(
        "dkim_keys_by_selector",
        "dkim_keys",
        ["domain_id", "selector"],
        unique=True,
        sqlite_where=unretired,
        postgresql_where=unretired,
    )


def _create_smtp_users() -> None:
    op.create_table(
        "smtp_users",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("account_id", BIG, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("domain_id", BIG, sa.ForeignKey("domains.id"), nullable=False, index=True),
        sa.Column("username", sa.Text, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("networks", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("disabled_at", sa.BigInteger),
        sa.Column("last_used_at", sa.BigInteger),
        **NEVER_REUSED,
    )


def _create_routes() -> None:
    op.create_table(
        "routes",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("destination", sa.Text, nullable=False, unique=True),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("tls_rule", sa.Text, nullable=False),
        sa.Column("implicit_tls", sa.Boolean, nullable=False),
        sa.Column("username", sa.Text),
        sa.Column("password", sa.LargeBinary),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        **NEVER_REUSED,
    )


def _create_installation() -> None:
    op.create_table(
        "revision",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("installation_id", sa.Text),
        sa.Column("key_fingerprint", sa.Text),
        sa.Column("created_at", sa.BigInteger),
        sa.Column("last_incarnation", sa.BigInteger, nullable=False),
    )
    op.execute("INSERT INTO revision (id, revision) VALUES (1, 0)")
    op.execute("INSERT INTO installation (id, last_incarnation) VALUES (1, 0)")
    op.create_table(
        "installation_secrets",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )


def _create_workers() -> None:
    op.create_table(
        "workers",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("incarnation", sa.BigInteger, nullable=False, unique=True),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("pid", sa.BigInteger, nullable=False),
        sa.Column("pools", sa.Text, nullable=False),
        sa.Column("roles", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("heartbeat_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "site_limits",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("site", sa.Text, primary_key=True),
        sa.Column("window", sa.Integer, nullable=False),
        sa.Column("paused_until", sa.BigInteger),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )


def _create_captures() -> None:
    op.create_table(
        "captures",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("reverse_path", sa.Text, nullable=False),
        sa.Column("recipients", sa.Text, nullable=False),
        sa.Column("header_from", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        **NEVER_REUSED,
    )


def _create_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("domain_id", sa.BigInteger, nullable=False),
        sa.Column("credential_id", sa.BigInteger, nullable=False),
        sa.Column("reverse_path", sa.Text, nullable=False),
        sa.Column("header_from", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("message_id_header", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("recipient_count", sa.Integer, nullable=False),
        sa.Column("accepted_at", sa.BigInteger, nullable=False),
        sa.Column("client_address", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("is_eight_bit", sa.Boolean, nullable=False),
        sa.Column("is_utf8", sa.Boolean, nullable=False),
        sa.Column("ret", sa.Text),
        sa.Column("envid", sa.Text),
        sa.Column("is_report", sa.Boolean, nullable=False),
        sa.Column("keep_content_ms", sa.BigInteger, nullable=False),
        sa.Column("open_deliveries", sa.Integer, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("content_until", sa.BigInteger),
        _data_key(),
    )
    op.create_index("messages_by_domain", "messages", ["domain_id", "id"])
    _partial_index("messages_by_content_until", "messages", ["content_until"], "content_until IS NOT NULL")


def _create_bodies() -> None:
    op.create_table(
        "bodies",
        sa.Column("message_id", BIG, nullable=False, autoincrement=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        _data_key("message_id"),
    )
    op.create_table(
        "body_chunks",
        sa.Column("message_id", BIG, nullable=False, autoincrement=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        _data_key("message_id", "sequence"),
    )
    if op.get_bind().dialect.name == "postgresql":
        # Mail is as good as incompressible to pglz for its price; STORAGE EXTERNAL keeps the server's CPU for the queue.
        op.execute("ALTER TABLE bodies ALTER COLUMN content SET STORAGE EXTERNAL")
        op.execute("ALTER TABLE body_chunks ALTER COLUMN content SET STORAGE EXTERNAL")


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("message_id", sa.BigInteger, nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("domain_id", sa.BigInteger, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("pool", sa.Text, nullable=False),
        sa.Column("lane", sa.BigInteger, nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("accepted_at", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("notify", sa.Integer, nullable=False),
        sa.Column("original_recipient", sa.Text),
        sa.Column("lease_owner", sa.BigInteger),
        sa.Column("lease_epoch", sa.Integer, nullable=False),
        sa.Column("lease_until", sa.BigInteger),
        sa.Column("last_reply", sa.Text),
        sa.Column("maybe_delivered", sa.Boolean, nullable=False),
        _data_key(),
    )
    op.create_index("deliveries_by_message", "deliveries", ["message_id"])
    # Partial, so that a delivery leaves them for good when it is final and they stay as small as the open queue.
    _partial_index("deliveries_by_lane", "deliveries", ["pool", "lane", "rank", "due_at", "id"], "state = 'scheduled'")
    _partial_index("deliveries_by_due", "deliveries", ["pool", "due_at"], "state = 'scheduled'")
    _partial_index("deliveries_by_lease", "deliveries", ["lease_until"], "state = 'leased'")
    _partial_index("deliveries_held", "deliveries", ["id"], "state = 'held'")


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("domain_id", sa.BigInteger, nullable=False),
        sa.Column("message_id", sa.BigInteger),
        sa.Column("delivery_id", sa.BigInteger),
        sa.Column("recipient", sa.Text),
        sa.Column("data", sa.Text, nullable=False),
        _data_key(),
    )
    op.create_index("events_by_message", "events", ["message_id"])
    op.create_index("events_by_domain", "events", ["domain_id", "id"])
    op.create_table(
        "counter_deltas",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("partition", sa.Integer, nullable=False),
        *_counter_columns("hour"),
        _data_key(),
    )
    op.create_table("counters_hourly", *_counter_columns("hour"), sa.PrimaryKeyConstraint(*_counter_key("hour")))
    op.create_table("counters_daily", *_counter_columns("day"), sa.PrimaryKeyConstraint(*_counter_key("day")))


def _counter_columns(period: str) -> list[sa.Column[object]]:
    return [
        sa.Column("domain_id", sa.BigInteger, nullable=False),
        sa.Column(period, sa.Integer, nullable=False),
        sa.Column("dimension", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
    ]


def _counter_key(period: str) -> tuple[str, ...]:
    return ("domain_id", period, "dimension", "key", "type")


def _partial_index(name: str, table: str, columns: list[str], condition: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))
