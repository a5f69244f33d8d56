"""The API that clients of Mailgun call."""
