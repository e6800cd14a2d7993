"""Logs → frames → measures → report, with Polars."""
