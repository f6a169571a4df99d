"""The way to Stripe. This room and the sandbox alone know the SDK."""

from .signatures import StripeSignatures
from .stripe_gateway import API_VERSION, StripeGateway

__all__ = ["API_VERSION", "StripeGateway", "StripeSignatures"]
