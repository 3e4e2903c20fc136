"""Services that others would run instead of ours, to be measured beside it."""
