"""The options that say which run is meant, shared by the commands that choose one."""

import argparse

DEFAULT_METRIC = "val/accuracy"


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the experiment, the metric and the direction."""
    parser.add_argument("--experiment-name", metavar="NAME", required=True, help="experiment whose runs are compared")
    parser.add_argument("--metric", metavar="METRIC", default=DEFAULT_METRIC, help="metric that decides")
    direction = parser.add_mutually_exclusive_group()
    direction.add_argument(
        "--maximize", dest="maximize", action="store_true", default=True, help="the highest value wins (the default)"
    )
    direction.add_argument("--minimize", dest="maximize", action="store_false", help="the lowest value wins")
