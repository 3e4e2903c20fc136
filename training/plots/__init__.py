"""Plots of training runs and of trained models."""
