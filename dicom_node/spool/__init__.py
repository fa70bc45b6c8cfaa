"""Durable truth: instance files, and the ledger of series, jobs and deliveries."""
