"""The policy pack that gates every preview: `pulumi preview --policy-pack policy`.

Each rule is mandatory. An environment opens one by data, in `stacks/policy.<environment>.json`, which
`--policy-pack-config` reads; where there is no such file, nothing is open.
"""
