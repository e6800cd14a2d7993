"""What a vLLM server says of itself in /metrics: read, compared over time, and added up over engines and replicas."""
