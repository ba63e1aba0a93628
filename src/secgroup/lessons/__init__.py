"""The lesson: stories that run on the definition, printed packet by packet.

The same stories are conversation tests; nothing here decides anything.
"""
