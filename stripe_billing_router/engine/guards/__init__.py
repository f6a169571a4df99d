"""What may veto a call: accounts, freezes, rules, people, seals."""
