"""The schema's history, run by `yima migrate`."""
