"""The definition: what happens to a packet, in plain Python, to be argued about."""
