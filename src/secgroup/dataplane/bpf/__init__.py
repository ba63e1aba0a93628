"""The kernel plane: an eBPF program at the host side of every interface. docs/design/bpf.md."""
