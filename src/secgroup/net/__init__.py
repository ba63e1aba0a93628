"""Wire values: addresses, protocols, ports, packets, captures."""
