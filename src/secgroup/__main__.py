"""`python -m secgroup`."""

from secgroup.cli import main

main()
