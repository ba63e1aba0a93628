"""AWS's nouns, frozen, as EC2 names them, and `Network`: all of them at one revision."""
