"""Starts one plugin: `python -m local.plugins NAME ENGINE`; the scripts in `bin` do, and the engine starts those."""

import argparse
import importlib

from local.plugins import EMBEDDED, messages

parser = argparse.ArgumentParser(
    prog="pulumi-resource",
    description="An embedded Pulumi provider plugin. The Pulumi engine starts it, not a person.",
)
parser.add_argument("name", choices=sorted(EMBEDDED), help="the package to serve")
parser.add_argument("engine", help="address of the engine, host:port")
given, _ = parser.parse_known_args()

# Before anything that imports the SDK.
messages.load_alone()
provider = importlib.import_module(f"local.plugins.{given.name}.provider")
process = importlib.import_module("local.plugins.process")
process.serve(getattr(provider, f"{given.name.capitalize()}Provider"), given.engine)
