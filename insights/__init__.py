"""The read side: figures, reports and audits computed from what the rooms below recorded.

Nothing here writes.
"""
