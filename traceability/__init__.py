"""Where things are: brands and products, dealers and territories, shipments, aggregation, units, scans, regions.

No judgement lives here: what a scan earns is for campaigns, what it reveals for antifraud.
"""
