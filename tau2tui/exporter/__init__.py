"""The run for Prometheus: what is seen of fleet and evaluation as metrics, over HTTP."""
