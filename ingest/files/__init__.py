"""Files of records, whatever their format: CSV, NDJSON, Parquet, also gzipped.

``source`` says what a format gives, ``opening`` finds the format of a file and unpacks it, the other modules read one
format each. Does not belong here: what a column means.
"""
