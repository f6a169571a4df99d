"""What follows a failed check."""
