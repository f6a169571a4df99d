"""Stripe: its paths, objects, statuses and errors. Nobody else knows them but the sandbox."""
