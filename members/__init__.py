"""People: profiles, identities, consent, sign-in, and the points ledger.

Why somebody earns (rules, draws) is not here but in campaigns; who cheats, in antifraud.
"""
