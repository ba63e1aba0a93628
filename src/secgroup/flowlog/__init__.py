"""VPC flow logs: what AWS would have logged of the packets that were decided.

`fields` is the table of what a record may say, `aggregate` makes records of packets, `metadata`
knows what an interface adds to them, `write` and `read` are the files.
"""
