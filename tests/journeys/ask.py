"""Prints the status and the beginning of an answer, or `unreachable`; a curl where there is none.

usage: ask.py URL METHOD SECONDS BODY HEADER...   (the body of a POST)
"""

import sys
import urllib.error
import urllib.request


def main() -> int:
    url, method, seconds, body, *headers = sys.argv[1:]
    request = urllib.request.Request(url, method=method, data=body.encode() if method == "POST" else None)  # noqa: S310 - the test names it
    for header in headers:
        name, _, value = header.partition(": ")
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=float(seconds)) as answer:  # noqa: S310 - the same
            print(answer.status, answer.read(300).decode(errors="replace"))
    except urllib.error.HTTPError as error:
        print(error.code, error.read(300).decode(errors="replace"))
    except OSError:
        print("unreachable")
    return 0


if __name__ == "__main__":
    sys.exit(main())
