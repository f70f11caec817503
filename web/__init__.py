"""Pages for people: the consumer's page (and, later, the brand console).

It decides nothing: what a scan means is told by the scan use case.
"""
