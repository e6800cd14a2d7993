"""A load on a server: when requests arrive, what they ask, and what the answers amount to."""
