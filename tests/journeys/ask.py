"""Prints the status and the beginning of an answer, or `unreachable`; a curl where there is none.

As with curl, the status is 000 where a server takes the connection and then says something that isn't HTTP.

usage: ask.py URL METHOD SECONDS BODY HEADER...   (the body of a POST)
"""

import sys
import urllib.error
import urllib.request
from http.client import HTTPException


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
    except urllib.error.URLError:
        print("unreachable")
    except (OSError, HTTPException) as error:
        print(f"000 {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
