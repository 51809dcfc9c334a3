"""Start one plugin with `python -m local.plugins NAME ENGINE`. The engine does so through the scripts in `bin`."""

import argparse
import importlib

from local.plugins import EMBEDDED, messages

parser = argparse.ArgumentParser(
    prog="pulumi-resource",
    description="An embedded Pulumi provider plugin. The Pulumi engine starts it; don't run it by hand.",
)
parser.add_argument("name", choices=sorted(EMBEDDED), help="the package to serve")
parser.add_argument("engine", help="address of the engine, host:port")
options, _ = parser.parse_known_args()

# This must precede every import of the SDK.
messages.load_alone()
provider = importlib.import_module(f"local.plugins.{options.name}.provider")
process = importlib.import_module("local.plugins.process")
process.serve(getattr(provider, f"{options.name.capitalize()}Provider"), options.engine)
