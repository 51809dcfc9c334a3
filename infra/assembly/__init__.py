"""The parts of an environment, each from the settings: what stands between them and the components."""
