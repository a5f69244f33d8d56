"""What clients of Bloomreach Engagement's channel send and receive."""
