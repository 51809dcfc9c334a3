"""`make doctor`: examine a running installation, on the embedded cluster or on any cluster of a kubeconfig.

A check is a function that asks the `Site` and returns what it found. It raises `ProblemError` for what is wrong,
`NoAnswerError` if it can't be made, and `NotHereError` if the installation lacks what it is about. `checks` has one
file for each subject, `platform` gets what the checks ask for, and `runner` and `report` know nothing of either.
"""
