"""One screen for each number key."""
