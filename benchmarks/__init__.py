"""Measurements that anyone can repeat against a running service."""
