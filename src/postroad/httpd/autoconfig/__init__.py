"""What the mail clients of people ask to set themselves up, answered in their makers' formats, without a login."""
