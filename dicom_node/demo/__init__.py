"""An embedded PACS and a virtual scanner, for `make demo`."""
