"""From a trained network to a published model: graph, parity, golden cases, figures, card."""
