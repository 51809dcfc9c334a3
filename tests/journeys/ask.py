"""Print the status and the beginning of an answer, or `unreachable`: a replacement for curl in pods.

As with curl, the status is 000 if a server accepts the connection but doesn't answer in HTTP.

usage: ask.py URL METHOD SECONDS BODY HEADER...   (BODY is sent with POST only)
"""

import sys
import urllib.error
import urllib.request
from http.client import HTTPException


def main() -> int:
    url, method, seconds, body, *headers = sys.argv[1:]
    request = urllib.request.Request(url, method=method, data=body.encode() if method == "POST" else None)  # noqa: S310 - the test sets the URL
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
