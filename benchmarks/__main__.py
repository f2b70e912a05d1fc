"""All benchmarks, one after the other: ``python -m benchmarks [--quick]``."""

from benchmarks import rates, weights

rates.main()
weights.main()
