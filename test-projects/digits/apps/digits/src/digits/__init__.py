"""Learns to read scikit-learn's bundled digits and draws which of them it confuses."""
