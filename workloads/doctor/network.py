"""Print whether this pod gets a connection to each HOST:PORT of the arguments: `open`, or the reason why not."""

import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

# A policy may drop packets instead of refusing them.
_SECONDS = 5.0


def attempt(target: str, seconds: float = _SECONDS) -> str:
    """Return `open`, `unknown name`, or why no connection was made."""
    host, _, port = target.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=seconds):
            return "open"
    except socket.gaierror:
        return "unknown name"
    except OSError as error:
        return error.strerror or str(error)


def main() -> None:
    """Print the outcomes."""
    targets = sys.argv[1:]
    with ThreadPoolExecutor(max_workers=max(1, len(targets))) as executor:
        print(json.dumps(dict(zip(targets, executor.map(attempt, targets), strict=True))))


if __name__ == "__main__":
    main()
