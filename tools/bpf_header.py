"""Write src/secgroup/dataplane/bpf/src/layout.h."""

from pathlib import Path

from secgroup.dataplane.bpf import header

PATH = Path("src/secgroup/dataplane/bpf/src/layout.h")

if __name__ == "__main__":
    PATH.write_text(header.text())
