"""Who may ask, and how much; what browsers are told."""
