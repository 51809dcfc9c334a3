"""The emulator's process: `python -m local.aws.serve --account FILE`, with MOTO_ACCOUNT_ID in its environment."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from wsgiref.types import WSGIApplication

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from local.aws import corrections, database_logins, databases, fixtures, ldap
from local.aws.account import ACCOUNT_ENV, Account, read
from local.aws.gate import Gate
from local.aws.state import Store


class _Handler(MotoRequestHandler):
    """A handler that logs only failed requests, because an update makes thousands."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if str(code) >= "4":
            self.log("info", "%s: %s, %s bytes", self.requestline, code, size)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the account until the process is terminated."""
    parser = argparse.ArgumentParser(prog="python -m local.aws.serve", description=__doc__)
    parser.add_argument("--account", type=Path, required=True, help="the file that describes the account")
    account = read(parser.parse_args(argv).account)
    # moto read the variable when it was imported.
    if os.environ.get(ACCOUNT_ENV) != account.account_id:
        parser.error(f"{ACCOUNT_ENV} must be {account.account_id}, as in --account, got {os.environ.get(ACCOUNT_ENV)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    store = Store(account)
    store.restore()
    corrections.install()
    if account.postgres:
        databases.mirror(account.postgres)
    fixtures.ensure(account)
    if account.logins_port:
        _verify_logins(account, account.logins_port)
    store.save()
    store.keep_saving()
    try:
        _serve(account, Gate(account, DomainDispatcherApplication(create_backend_app), store.identity, store.changed))
    finally:
        store.save()
    return 0


def _serve(account: Account, application: WSGIApplication) -> None:
    make_server(account.host, account.port, application, threaded=True, request_handler=_Handler).serve_forever()


def _verify_logins(account: Account, port: int) -> None:
    def check(name: str, password: str) -> bool:
        user = name.removeprefix(ldap.NAME_PREFIX)
        try:
            database_logins.check(account, user, password, datetime.now(UTC))
        except database_logins.LoginRefusedError as error:
            print(f"refused the database login of {user}: {error}", flush=True)
            return False
        return True

    server = ldap.Server((account.host, port), check)
    threading.Thread(target=server.serve_forever, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
