"""Keys and account: whose money it is, and who may move it."""

from __future__ import annotations

from ....hashing import key_fingerprint
from ....master_account import SANDBOX_ACCOUNT_ID, STRIPE_MASTER_ACCOUNT_ID, this_copy
from ..examination import Problem, Skipped
from ..facts import Facts
from ..words import apart, counted


def master_account(facts: Facts) -> str:
    """An account of the host's own is pinned, unless it is the sandbox that is talked to."""
    facts.accounts.check_pin()
    is_sandbox = STRIPE_MASTER_ACCOUNT_ID == SANDBOX_ACCOUNT_ID
    what = f"the sandbox's, at {facts.settings.api_base}" if is_sandbox else "pinned"
    return f"{STRIPE_MASTER_ACCOUNT_ID} is {what}"


def vault(facts: Facts) -> str:
    """Vault answers, and takes our token or role."""
    found = facts.vault
    if found is None:
        return "it is not used: VAULT_ADDR is not set"
    _only_online(facts)
    facts.ask_vault()
    return f"{found.place} answers"


def keys(facts: Facts) -> str:
    """There is a live secret key; the public key, if there is one, is live too."""
    found = facts.keys
    public = "with" if found.public_key else "without"
    return f"a live key from {found.source}, {public} a public key"


def allowed_keys(facts: Facts) -> str:
    """The secret key is among the allowed ones."""
    fingerprint = key_fingerprint(facts.keys.secret_key)
    if fingerprint not in facts.keys.allowed:
        raise Problem(
            f"The secret key from {facts.keys.source} ({fingerprint}) is not among the allowed "
            "keys. Set the right key; or, if it is the right one, add that fingerprint to "
            "allowed_secret_keys or STRIPE_ALLOWED_SECRET_KEYS."
        )
    return fingerprint


def account(facts: Facts) -> str:
    """Stripe takes the key, and it is the master account's."""
    _only_online(facts)
    if facts.mismatch is not None:
        raise Problem(
            f"The key from {facts.keys.source} is {facts.mismatch.account_id}'s, and "
            f"{this_copy()}. Import your pinned copy, if that is another; set the key of "
            f"{STRIPE_MASTER_ACCOUNT_ID}; or change the pin with `stripe-billing-router "
            "pin-account`."
        )
    return f"the key is {STRIPE_MASTER_ACCOUNT_ID}'s"


def webhook_secrets(facts: Facts) -> str:
    """What is configured to verify webhooks with is a signing secret."""
    found = len(facts.webhook_secrets)
    if found:
        return counted(found, "signing secret")
    return "there is none, so webhooks are refused; set STRIPE_WEBHOOK_SECRET to receive them"


def stripe_clock(facts: Facts) -> str:
    """This host and Stripe agree on the time."""
    wrong = apart(facts.stripe_ahead_ms, "Stripe's")
    if wrong is not None:
        raise Problem(wrong)
    return "this host agrees with Stripe"


def _only_online(facts: Facts) -> None:
    if facts.offline:
        raise Skipped("--offline")
