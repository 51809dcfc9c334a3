"""What a served model sees, measured against the baseline that its training logged.

`baseline.json` in the model directory, signed with the model, has the counts of the training's inputs per bin. A model
server counts its inputs in the same bins, so that the counts of several pods can be added, and no value is kept.
"""
