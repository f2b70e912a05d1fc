"""Leads, status events, activities and score snapshots from CSV files, through a YAML mapping.

``mapping`` says what a customer's columns mean, ``entities`` what the warehouse knows, ``reading`` turns
files into strings, ``parsing`` strings into values or reasons, ``loading`` values into ``raw``.
"""
