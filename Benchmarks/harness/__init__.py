"""What `Benchmarks/bench` is made of: the contestants, what is measured of them, and how it is told."""
