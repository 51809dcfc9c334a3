"""The one-cycle learning rate, as a function of the step alone: nothing of it needs to be saved or restored."""

# The rate rises over this share of all steps and falls over the rest.
_RISE = 0.25
# It starts and ends at this share of its peak, so that no step is without effect.
_FLOOR = 0.02


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Return the rate of `step` (from 0) of `steps`: up to `peak` in a line, and down again in a line."""
    position = (step + 1) / (steps + 1)
    height = position / _RISE if position < _RISE else (1 - position) / (1 - _RISE)
    return peak * max(height, _FLOOR)
