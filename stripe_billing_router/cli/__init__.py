"""The command line, `stripe-billing-router`: a file per noun."""

from .app import main

__all__ = ["main"]
