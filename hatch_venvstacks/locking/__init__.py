"""Requirements and the locks below become a lock."""
