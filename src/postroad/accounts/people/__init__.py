"""Who uses the console: people, their rights, and the ways they prove who they are."""
