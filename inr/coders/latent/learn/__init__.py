"""Training the networks that the library ships: one start per range of lambda, by the nested loops of an encode.

Source of the outer loop: Nichol, Achiam, Schulman 2018, "On First-Order Meta-Learning Algorithms" (Reptile).
"""
