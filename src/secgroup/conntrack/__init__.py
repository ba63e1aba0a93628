"""What a flow remembers. No rules here: `policy` knows those, and `reference` joins the two."""
