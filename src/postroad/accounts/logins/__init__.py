"""Who submits mail, proven: passwords, network addresses, and what keeps guessers out."""
