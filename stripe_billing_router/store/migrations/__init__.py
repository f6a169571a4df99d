"""Alembic's migrations of the `stripe_…` tables."""
