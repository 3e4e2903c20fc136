"""Publish a trained network: export, parity check, golden cases, metrics, model card."""
