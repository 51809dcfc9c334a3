"""Starts the plugin `kubernetes`."""

from local.plugins.kubernetes.provider import KubernetesProvider
from local.plugins.process import main

main(KubernetesProvider)
