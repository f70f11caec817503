"""Suspicion: findings, verdicts and what a person investigates.

It never meets campaigns: the scan use case hands a verdict from one to the other.
"""
