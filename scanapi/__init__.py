"""The HTTP API and the scan use case, the one place where all rooms meet.

Pages for people are in web.
"""
