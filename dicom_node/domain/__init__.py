"""What the node speaks of: frozen nouns, their states, and the ports that the stages meet at."""
