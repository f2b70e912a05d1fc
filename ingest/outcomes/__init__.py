"""Leads, status events, activities and score snapshots from files and queries, through a YAML mapping.

``mapping`` says what a customer's columns mean, ``entities`` what the warehouse knows, ``inputs`` opens what the
mapping names, ``parsing`` makes values or reasons of cells, ``loading`` writes them into ``raw``. ``watermarks`` and
``extracts`` are for sources that are read again and again.
"""
