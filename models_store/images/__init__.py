"""Decoding of image files that Pillow leaves to its callers, shared by training and the service.

Only this package of the contract imports Pillow.
"""
