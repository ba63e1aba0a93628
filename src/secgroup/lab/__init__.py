"""Networks as network namespaces of this host, a filter in front of every interface.

`plan` says what is to be there (pure), `kernel` and `converge` make it so, `lab` is what a command
calls. Packets are routed by the kernel and decided by the plane; no packet passes through here.
"""
