"""The bench that every harmonizer has to pass: known truth, held-out heads, tables that a reader can check."""
