"""Scripts that started a fleet by hand → the configuration that starts the same one. Nothing is ever run."""
