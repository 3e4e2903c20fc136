"""Several processes behind one port: forked from one that has loaded, counted and balanced."""
