"""Schemas of requests and responses. Clients rely on them: fields are added, never renamed."""
