"""Which registry entity a company name means: keys, candidates, a ranker with a probability."""
