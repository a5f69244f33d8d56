"""What clients of SendGrid send and receive."""
