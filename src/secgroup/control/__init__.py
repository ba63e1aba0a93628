"""The state behind the endpoint, and how it may change. It knows EC2's shapes, not its wire."""
