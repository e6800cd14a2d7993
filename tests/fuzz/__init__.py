"""Coverage-guided fuzzing of what reads text from outside: `scripts/fuzz`, and for a few seconds in the suite."""
