"""Sends derived series, one file a kind of destination."""
