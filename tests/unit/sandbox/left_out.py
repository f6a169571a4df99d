"""What Stripe's classes have and the sandbox knowingly leaves out, by reason.

Classes and fields are the SDK's, `*` stands for every field of a class. All of these are optional
ones, which Stripe itself leaves out of most answers.
"""

from __future__ import annotations

_REASONS: dict[str, dict[str, str]] = {
    "only where it is expanded": {
        "Charge": "refunds",
        "Customer": "cash_balance invoice_credit_balance sources subscriptions tax tax_ids",
        "Invoice": "confirmation_secret payments",
        "Plan": "tiers",
        "Price": "currency_options tiers",
        "Price.CurrencyOptions": "tiers",
        "Session": "line_items",
        "Session.TotalDetails": "breakdown",
    },
    "only in the answer to its creation": {"WebhookEndpoint": "secret"},
    "only of another kind of payment method, processor or presence": {
        "Balance.Available.SourceTypes": "bank_account fpx",
        "Balance.Pending.SourceTypes": "bank_account fpx",
        "Charge": "authorization_code",
        "Charge.PaymentMethodDetails.Card": "moto network_token setup_credential_usage "
        "stored_credential_usage",
        "Charge.PaymentMethodDetails.AcssDebit": "expected_debit_date mandate",
        "Charge.PaymentMethodDetails.AuBecsDebit": "expected_debit_date mandate",
        "Charge.PaymentMethodDetails.BacsDebit": "expected_debit_date",
        "Charge.PaymentMethodDetails.SepaDebit": "expected_debit_date",
        "Charge.PaymentMethodDetails.UsBankAccount": "expected_debit_date mandate",
        "InvoicePayment.Payment": "charge payment_record",
        "Refund": "destination_details instructions_email next_action",
    },
    "only where the network lets it be captured later, or for more": {
        "Charge.PaymentMethodDetails.Card": "capture_before extended_authorization "
        "incremental_authorization multicapture overcapture",
    },
    "only for accounts that Stripe has let see it": {
        "Charge": "level3",
        "Charge.PaymentMethodDetails.Card": "description iin issuer",
        "PaymentMethod.Card": "description iin issuer",
    },
    "no options are kept but those that were asked for": {
        "PaymentIntent.PaymentMethodOptions": "*",
        "PaymentIntent.PaymentMethodOptions.Card": "*",
        "Session.PaymentMethodOptions": "*",
        "SetupIntent.PaymentMethodOptions": "*",
    },
    "only once it has happened": {
        "Charge.FraudDetails": "stripe_report user_report",
        "Dispute.Evidence": "appeal",
        "Event.Data": "previous_attributes",
        "Refund": "failure_balance_transaction failure_reason pending_reason",
        "Refund.DestinationDetails.Card": "reference reference_status reference_type",
        "Subscription.BillingMode": "updated_at",
        "SubscriptionItem": "billed_until",
    },
    "only where it was given": {
        "Customer": "business_name individual_name",
        "InvoiceItem.Pricing": "price_details",
        "InvoiceLineItem.Pricing": "price_details",
        "Refund": "description",
        "Session": "branding_settings excluded_payment_method_types name_collection "
        "optional_items redirect_on_completion tax_id_collection",
    },
    "the sandbox has no Connect": {
        "Account": "controller external_accounts future_requirements groups individual "
        "requirements tos_acceptance company",
        "Charge": "transfer",
        "Event": "account context",
        "Invoice.Issuer": "account",
        "Subscription.InvoiceSettings.Issuer": "account",
    },
    "the sandbox does no other business": {
        "Account.BusinessProfile": "annual_revenue estimated_worker_count "
        "monthly_estimated_revenue product_description",
        "Account.Capabilities": "*",
        "Account.Settings": "bacs_debit_payments card_issuing invoices payouts paypay_payments "
        "sepa_debit_payments treasury",
        "Account.Settings.CardPayments": "decline_on",
        "Balance": "connect_reserved instant_available issuing refund_and_dispute_prefunding",
    },
    "the sandbox has no Radar": {
        "Charge.Outcome": "risk_score rule",
        "Charge.RadarOptions": "session",
    },
    "the sandbox converts no currencies": {
        "Charge": "presentment_details",
        "PaymentIntent": "presentment_details",
        "Refund": "presentment_details",
        "Session": "presentment_details",
        "Subscription": "presentment_details",
    },
    "the sandbox knows no line items, tips and taxes of payments": {
        "PaymentIntent": "hooks payment_details",
        "PaymentIntent.AmountDetails": "discount_amount error line_items shipping tax",
        "PaymentIntent.AmountDetails.Tip": "amount",
    },
    "the sandbox has no prorations, thresholds, schedules and credits": {
        "Invoice": "status_details threshold_reason",
        "Invoice.Parent.SubscriptionDetails": "subscription_proration_date",
        "InvoiceItem": "frozen_fields invoicing_rules proration_details",
        "Subscription": "status_details",
    },
    "the sandbox plays no enhanced evidence": {
        "Dispute.Evidence.EnhancedEvidence": "*",
        "Dispute.EvidenceDetails.EnhancedEligibility": "*",
    },
    "the sandbox has no managed payments and attaches to nobody but customers": {
        "SetupIntent": "attach_to_self managed_payments",
    },
    "an error says what it has to say": {
        "ErrorObject": "*",
        "PaymentIntent.LastPaymentError": "*",
        "SetupIntent.LastSetupError": "*",
    },
}

UNLISTED = {"PaymentIntent.LastPaymentError.code": {"subscription_payment_intent_requires_action"}}
"""Words that Stripe's enumerations lack, and that it has been seen to send."""

LEFT_OUT: dict[str, str] = {
    f"{cls}.{name}": reason
    for reason, classes in _REASONS.items()
    for cls, names in classes.items()
    for name in names.split()
}
