"""The tracker's door: pixels, links and unsubscribing, for recipients of mail."""
