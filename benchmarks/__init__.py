"""Benchmarks behind `yima bench`, each with its peer measured in the same run."""
