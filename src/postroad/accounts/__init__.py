"""Ring 7: accounts, SMTP users and the proof of who acts."""
