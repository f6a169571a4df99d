"""Payment providers: who moves the money, and all that knows how each of them speaks."""
