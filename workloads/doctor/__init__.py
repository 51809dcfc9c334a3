"""Scripts that `python -m local.doctor` runs in the platform's pods, as only pods see the database and each other.

Each prints one JSON object. It gets to the pod on standard input, so that it needs no new image, and imports only what
the image of that pod has.
"""
