"""All benchmarks, one after the other: ``python -m benchmarks [--quick]``."""

from benchmarks import crawl, matching, rates, registry, weights

rates.main()
weights.main()
registry.main()
crawl.main()
matching.main()
