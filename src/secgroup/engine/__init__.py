"""The definition's answers, compiled, for batches of packets. Nothing is decided otherwise here."""
