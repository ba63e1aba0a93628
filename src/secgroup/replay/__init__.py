"""What a capture means: which interface each packet passes, what becomes of it, and why."""
