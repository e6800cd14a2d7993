"""A bounded load on servers: sent by the openai client, replayed from logs, measured on our clock."""
