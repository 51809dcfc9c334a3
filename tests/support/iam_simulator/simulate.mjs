// Reads a JSON list of requests on stdin and writes IAM's decision on each: "Allowed", "ImplicitlyDenied", ...
import { createValidatedPolicy, validateResourcePolicy, validateTrustPolicy } from '@cloud-copilot/iam-policy'
import { runSimulation, runUnsafeSimulation } from '@cloud-copilot/iam-simulate'
import { readFileSync } from 'node:fs'

const SETTINGS = {}
// Condition keys with a variable part in their name, which the simulator's list of keys can't contain.
const OPEN_KEYS = [/^kms:EncryptionContext:/, /:(sub|aud)$/]

function simulation({ principal, action, resource, account, context, policies, boundary, resource_policy: own }) {
  const validate = action.startsWith('sts:') ? validateTrustPolicy : validateResourcePolicy
  return {
    request: { principal, action, resource: { resource, accountId: account }, contextVariables: context },
    identityPolicies: policies.map((policy) => ({ name: 'identity', policy })),
    permissionBoundaryPolicies: boundary ? [{ name: 'boundary', policy: boundary }] : undefined,
    resourcePolicy: own ? createValidatedPolicy(own, validate, { name: 'resource' }) : undefined,
    serviceControlPolicies: [],
    resourceControlPolicies: [],
  }
}

async function decide(request) {
  const simulated = simulation(request)
  // The first run validates what the second one doesn't: the policies, the action, the resource and the keys.
  const checked = await runSimulation(simulated, SETTINGS)
  if (checked.resultType === 'error') throw new Error(JSON.stringify({ request, errors: checked.errors }, null, 2))
  const unknown = checked.result.ignoredContextKeys.filter((key) => !OPEN_KEYS.some((open) => open.test(key)))
  if (unknown.length) throw new Error(`${request.action} has no condition key ${unknown}`)
  return runUnsafeSimulation(simulated, SETTINGS)
}

const requests = JSON.parse(readFileSync(0, 'utf8'))
console.log(JSON.stringify(await Promise.all(requests.map(decide))))
