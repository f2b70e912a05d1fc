"""From what a tenant's best customers have in common to micro-ICPs, with evidence and with how sure that is.

Belongs here: estimates of signals against base rates (``exact``, ``estimates``), segments of customers
(``segments``), the cards and their published contracts (``contracts``, ``cards``), the negative ICP (``negative``),
advice (``advice``), the set of a tenant put together (``building``), and companies like its customers
(``lookalikes``). Not here: where facts come from, matching of names, and anything that reads or writes a database.
"""
