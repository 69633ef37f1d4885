"""Looking at studies on the township's own machine."""
