"""From files to volumes: is the series whole, which stacks does it hold, may a model see them."""
