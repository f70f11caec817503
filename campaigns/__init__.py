"""What a claim brings: earning rules, lucky draws, prizes and their proofs.

Points themselves are in members' ledger; who may claim is antifraud's verdict.
"""
