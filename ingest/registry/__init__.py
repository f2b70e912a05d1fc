"""Company registries and classifications of industries: from published files to ``raw``.

Registries: ``fields`` says what the warehouse knows of an entity, ``mapping`` what a registry's columns mean,
``acra`` how ACRA publishes, ``files`` finds and unpacks, ``parsing`` turns strings into values, reasons and notes,
``loading`` writes the difference, ``load`` puts it together.
Classifications: ``code_lists`` reads them, ``correspondence`` says what became of a code, ``load_codes`` writes
both, ``code_versions`` tells which version the codes of a registry are in.
"""
