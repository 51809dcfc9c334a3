"""Readiness of objects: one module of checks per family of kinds, and the wait."""
