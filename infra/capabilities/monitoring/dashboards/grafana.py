"""Writes dashboards in Grafana's schema."""

import json
from string import ascii_uppercase

from grafana_foundation_sdk.builders import common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as sdk
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as model

import contracts
from infra.capabilities.monitoring.dashboards.panel import Dashboard, Kind, Panel

# The viewer picks the Prometheus, as its name differs from Grafana to Grafana.
_SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
# Grafana's grid has 24 columns.
_WIDTH = {Kind.NUMBER: 6, Kind.LINES: 12}
_HEIGHT = {Kind.NUMBER: 4, Kind.LINES: 8}
_GOOD, _BAD = "green", "red"


def to_json(dashboard: Dashboard) -> str:
    """Return the JSON that Grafana imports, the same for the same dashboard."""
    builder = (
        sdk.Dashboard(dashboard.title)
        .uid(dashboard.uid)
        .description(dashboard.description)
        .tags([contracts.PROJECT])
        .readonly()
        .time("now-6h", "now")
        .refresh("1m")
        .timezone("browser")
        .with_variable(sdk.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    for number, panel in enumerate(dashboard.panels, start=1):
        builder = builder.with_panel(_panel(panel).id(number))
    return json.dumps(builder.build(), cls=JSONEncoder, sort_keys=True, indent=2)


def _panel(panel: Panel) -> stat.Panel | timeseries.Panel:
    builder = _number(panel) if panel.kind is Kind.NUMBER else _lines()
    builder = (
        builder.title(panel.title)
        .description(panel.description)
        .datasource(_SOURCE)
        .unit(panel.unit)
        .span(_WIDTH[panel.kind])
        .height(_HEIGHT[panel.kind])
    )
    for letter, query in zip(ascii_uppercase, panel.queries, strict=False):
        target = prometheus.Dataquery().expr(query.expression).legend_format(query.legend).ref_id(letter)
        builder = builder.with_target(target.instant() if panel.kind is Kind.NUMBER else target.range())
    return builder


def _number(panel: Panel) -> stat.Panel:
    steps = [model.Threshold(None, _GOOD)]
    if panel.bad_from is not None:
        steps = [model.Threshold(None, _GOOD), model.Threshold(panel.bad_from, _BAD)]
    if panel.bad_below is not None:
        steps = [model.Threshold(None, _BAD), model.Threshold(panel.bad_below, _GOOD)]
    thresholds = sdk.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)
    newest = common.ReduceDataOptions().calcs(["lastNotNull"])
    return stat.Panel().thresholds(thresholds).reduce_options(newest).graph_mode(options.BigValueGraphMode.NONE)


def _lines() -> timeseries.Panel:
    legend = common.VizLegendOptions().show_legend(show_legend=True).placement(options.LegendPlacement.BOTTOM)
    return (
        timeseries.Panel()
        .legend(legend.display_mode(options.LegendDisplayMode.LIST))
        .fill_opacity(10)
        .show_points(options.VisibilityMode.NEVER)
        .min(0)
    )
