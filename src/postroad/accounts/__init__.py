"""Ring 7: accounts, what they hand mail in with (``logins`` proves it), and ``people`` who manage them."""
