"""What somebody's own scripts left on a disk → a configuration and a run that every word and screen can open."""
