"""What ends a doubt: what crashes left behind, and what waits for a customer or a bank."""
