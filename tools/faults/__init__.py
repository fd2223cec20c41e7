"""Faults done to a built Hilum from outside, and the count of what it survives; see README.md."""
