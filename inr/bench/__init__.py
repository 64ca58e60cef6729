"""Comparison benchmarks: what a table says about models, initialisers and samplers, and how it was measured.

Every number is that of the final field, decoded in full and rounded to the sample type. Cases are run in turn (seed
outermost, then picture, then case), so that a machine that slows down does so for all alike. Time is that of the
training steps: what measuring takes does not count.
"""
