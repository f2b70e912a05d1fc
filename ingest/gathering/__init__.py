"""Evidence for tenants: whose sites are due, crawling and reading them, and keeping what was found.

Belongs here: which companies, in which order, and what is written. Not here: how a site is fetched
(``ingest.crawl``), what its pages say (``ingest.crawl.extract``), vendors (``ingest.enrichment``).
"""
