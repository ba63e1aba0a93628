"""Write src/secgroup/dataplane/bpf/secgroup.bpf.json: what the object is, of what, and by what."""

import hashlib
import json
import re
import subprocess
from pathlib import Path

FOLDER = Path("src/secgroup/dataplane/bpf")


def sources_digest(folder: Path) -> str:
    """Return the digest of every C source and header: names and contents."""
    digest = hashlib.sha256()
    for path in sorted((folder / "src").glob("*.[ch]")):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def clang_version() -> str:
    """Return the version of the clang that is here."""
    text = subprocess.run(["clang", "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"version (\d+\.\d+\.\d+)", text)
    assert found is not None, text
    return found[1]


if __name__ == "__main__":
    record = {
        "object": hashlib.sha256((FOLDER / "secgroup.bpf.o").read_bytes()).hexdigest(),
        "sources": sources_digest(FOLDER),
        "clang": clang_version(),
    }
    (FOLDER / "secgroup.bpf.json").write_text(json.dumps(record, indent=2) + "\n")
