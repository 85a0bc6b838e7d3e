"""Tables and environment variables become values."""
