"""What went wrong, as logs tell it: counted as the seed counts, classed, folded, and followed to its end."""
