"""Figures: `make bench`. The sizes and the seed of what is measured."""

SEED = 7
PACKETS = 100_000
