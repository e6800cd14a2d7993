"""The practice fleet: small OpenAI-compatible servers that play the models."""
