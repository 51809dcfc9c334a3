"""The policy pack that gates every preview: `pulumi preview --policy-pack policy`.

Each rule is mandatory. An environment relaxes a rule in `stacks/policy.<environment>.json`, which the engine reads with
`--policy-pack-config`. Without that file, every rule applies in full.
"""
