"""A data scientist verifies and loads the model that the platform has released, with the client library `aegis`.

usage: verified.py verify|load|load_unsigned   (MLFLOW_TRACKING_URI, and AEGIS_TRUSTED_KEYS for the trusted keys)
Prints a line of JSON like client.py. It imports only `aegis` and what a data scientist has anyway.
"""

import json
import sys
import time

import aegis

RELEASED = "models:/aegis-classifier@candidate"
UNSIGNED = "models:/journeys-unsigned/1"


def verify() -> str:
    verified = aegis.verify(RELEASED)
    return f"version {verified.version} of {verified.name} is verified"


def load() -> str:
    import numpy  # noqa: ICN001, PLC0415 - only the places that load a model have it

    model = aegis.load_model(RELEASED)
    answer = model.predict(numpy.zeros((2, 1, 8, 8), dtype=numpy.float32))
    return f"{len(answer)} predictions"


def load_unsigned() -> str:
    aegis.load_model(UNSIGNED)
    return "loaded"


def main() -> int:
    began = time.monotonic()
    reason, answer = None, None
    try:
        answer = {each.__name__: each for each in (verify, load, load_unsigned)}[sys.argv[1]]()
    except Exception as error:  # noqa: BLE001 - the test reports any failure
        reason = f"{type(error).__name__}: {error}"[:500]
    print(json.dumps({"answer": answer, "seconds": round(time.monotonic() - began, 1), "reason": reason}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
