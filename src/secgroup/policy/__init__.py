"""What the nouns mean for packets at an interface. No memory here: `conntrack` has that."""
