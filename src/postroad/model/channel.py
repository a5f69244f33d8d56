"""Channels: the ways by which messages come in, as their stories, events and counters name them."""

from collections.abc import Mapping

SMTP_CHANNEL = "smtp"
POSTROAD_CHANNEL = "postroad"
MAILGUN_CHANNEL = "mailgun"
SENDGRID_CHANNEL = "sendgrid"
SPARKPOST_CHANNEL = "sparkpost"
FORWARD_CHANNEL = "forward"
"""The channel of mail that a sending domain receives and passes on."""
REPORT_CHANNEL = "report"
NOTICE_CHANNEL = "notice"
"""The channel of mail that the installation itself writes."""

CHANNELS: Mapping[str, str] = {
    SMTP_CHANNEL: "SMTP",
    POSTROAD_CHANNEL: "Postroad API",
    MAILGUN_CHANNEL: "Mailgun API",
    SENDGRID_CHANNEL: "SendGrid API",
    SPARKPOST_CHANNEL: "SparkPost API",
    FORWARD_CHANNEL: "Forwarded mail",
    REPORT_CHANNEL: "Delivery reports",
    NOTICE_CHANNEL: "Postroad’s own mail",
}
"""All of them, with what people read."""
