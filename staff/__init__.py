"""The people who work with the console: accounts, roles by brand, sessions, second factor, resets.

Not here: consumers (`members`), pages (`web.console`).
"""
