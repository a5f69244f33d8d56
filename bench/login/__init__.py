"""Log-ins under attack: what a flood of wrong passwords leaves of everybody else's traffic."""
