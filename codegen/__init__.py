"""Codes: the signing scheme, keys, batches, code packages, labels, read-back, GS1 identifiers and links.

What happens to a unit after it left the printer (scans, shipments) is not here but in traceability.
"""
