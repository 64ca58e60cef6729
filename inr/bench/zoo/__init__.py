"""`inr bench zoo`, `inits`, `samplers`, `rates` and `video`: fits of many kinds under equal conditions."""
