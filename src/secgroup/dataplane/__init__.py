"""Where networks are enforced. Each plane decides as `reference` does, or says what it cannot."""
