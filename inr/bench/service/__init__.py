"""`inr bench service`: the service beside the library."""
