"""What every room stands on: clock, ids, errors, database, outbox, tasks, crypto, audit trail.

No word of the domain lives here: nothing about codes, scans, points or brands.
"""
