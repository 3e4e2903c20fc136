"""Offline training: recipes in, published models out."""
