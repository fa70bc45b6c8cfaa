"""Examples to train on: heads, what scanners and mishaps make of them, and what is wanted."""
