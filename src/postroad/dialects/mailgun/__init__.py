"""What clients of Mailgun send and receive."""
