"""Ledgers and manifests in; text, JSON and CSV out."""
