"""Events for Bloomreach Engagement as tracked customer events."""
