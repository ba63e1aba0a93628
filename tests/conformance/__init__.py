"""One suite for every place that decides packets: the definition, the engine, and the planes.

A test asks for what it needs by capability, never by plane; a plane that has not got one says why
in a sentence. `python -m tests.conformance` runs the suite and writes docs/supported.md.
"""
