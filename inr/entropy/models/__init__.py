"""Models that say how probable a decision is, in integers only, so that every machine decodes the same."""
