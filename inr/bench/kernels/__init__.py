"""`inr bench kernels`: the compiled kernels beside PyTorch."""
