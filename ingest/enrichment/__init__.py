"""Filling in companies: vendors and their daily caps, the website of a name, firmographics, contacts, the queue.

Does not belong here: reading sites (``ingest.crawl``) and finding facts in their pages (``ingest.crawl.extract``).
"""
