"""What both sides need, the one that builds and the one that runs: errors, paths and digests."""
