"""Models in memory: sessions, catalog and registry. Independent of HTTP."""
