"""Fuzzing of everything that reads bytes from outside: no crash, no hang, no unbounded memory.

`python -m tests.fuzz [TARGET ...] [--seconds N]` is guided by coverage (atheris);
`test_targets.py` runs the same targets for a bounded time within the tests.
"""
