"""An emulated AWS API for a stack whose settings name an AWS account: moto's server in a process of ours.

What moto leaves out and this platform is about is added around it: pods exchange their tokens for a role's credentials
only when the role trusts them, a role's session may call only what its policies allow, and the logins to a managed
database are checked. The account has what a platform team's would have before the stack comes: a network, an EKS
cluster, which is the machine's own, and a key for the stack's secrets.
"""
