"""All benchmarks, one after the other: ``python -m benchmarks [--quick]``."""

from benchmarks import crawl, extract, load, matching, rates, registry, weights

rates.main()
weights.main()
load.main()
registry.main()
crawl.main()
extract.main()
matching.main()
