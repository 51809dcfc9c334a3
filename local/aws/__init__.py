"""An emulated AWS API for stacks that use an AWS account, based on moto's server.

It adds the checks that moto lacks and that matter to this platform: pods get a role's credentials only if the role
trusts their tokens, a role's session may call only what its policies allow, and logins to a managed database are
verified. Before the first stack is deployed, the account contains what a platform team would provide: a network, an EKS
cluster (the machine's own) and a KMS key for the stack's secrets.
"""
