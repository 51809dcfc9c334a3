"""Print what the reconciler of served models tells: its own list, as in `GET /served`."""

import json
import urllib.request

from contracts import RECONCILER_PORT


def main() -> None:
    """Print the list."""
    with urllib.request.urlopen(f"http://127.0.0.1:{RECONCILER_PORT}/served", timeout=10) as answer:
        print(json.dumps(json.load(answer)))


if __name__ == "__main__":
    main()
