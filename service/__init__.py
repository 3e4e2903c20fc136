"""The REST service: serves published models over HTTP. Never imports torch."""
