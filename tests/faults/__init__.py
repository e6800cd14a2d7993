"""Faults, made on purpose: the catalogue of all, and those that no other test makes."""
