"""SendGrid's API."""
