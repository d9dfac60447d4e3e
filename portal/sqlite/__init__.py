"""Django's SQLite backend, where writers take turns."""
