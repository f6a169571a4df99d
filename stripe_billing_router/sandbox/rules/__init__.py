"""How Stripe's money behaves: payments, refunds, invoices. No HTTP and no parameters here."""
