"""The gRPC service that runs fits as jobs. It imports `inr`; `inr` never imports it."""
