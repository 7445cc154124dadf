//! The layers as commands of gcloud, for a shell. `@NAME@` stands for what was given.

pub const HEAD: &str = r#"
#!/bin/sh
# The gateway as the only way to the data of @PROJECT@. It writes its files below a folder of its own, and stops at the first error.
set -eu
cd "$(mktemp -d)"
"#;

pub const IAM: &str = r#"
for role in roles/bigquery.dataEditor roles/bigquery.jobUser; do
  gcloud projects add-iam-policy-binding @PROJECT@ --member='serviceAccount:@ACCOUNT@' --role="$role" --condition=None
done
# Goes before every role, those of owners, of datasets and of folders too.
cat >deny.json <<'JSON'
{
  "displayName": "data through the gateway alone",
  "rules": [
    {
      "denyRule": {
        "deniedPrincipals": ["principalSet://goog/public:all"],
        "exceptionPrincipals": ["principal://iam.googleapis.com/projects/-/serviceAccounts/@ACCOUNT@"],
        "deniedPermissions": ["bigquery.googleapis.com/jobs.create", "bigquery.googleapis.com/tables.getData"]
      }
    }
  ]
}
JSON
gcloud iam policies create sluice --attachment-point=cloudresourcemanager.googleapis.com/projects/@PROJECT@ --kind=denypolicies --policy-file=deny.json
"#;

pub const KEYS: &str = r#"
for constraint in iam.managed.disableServiceAccountKeyCreation iam.managed.disableServiceAccountKeyUpload; do
  cat >keys.yaml <<YAML
name: @PARENT@/policies/$constraint
spec:
  rules:
  - enforce: true
YAML
  gcloud org-policies set-policy keys.yaml
done
"#;

pub const MEMBERS: &str = r#"
# For the project alone. Inherited values are kept; identities of other organizations that need access have to be added.
cat >members.yaml <<'YAML'
name: projects/@PROJECT@/policies/iam.allowedPolicyMemberDomains
spec:
  inheritFromParent: true
  rules:
  - values:
      allowedValues:
      - is:principalSet://iam.googleapis.com/organizations/@ORGANIZATION@
YAML
gcloud org-policies set-policy members.yaml
"#;

pub const PERIMETER: &str = r#"
# A project is in one perimeter at most: if it is in one already, put the services and the way in there.
# To try it without refusing anything: `perimeters dry-run create`, whose options begin with --perimeter-.
# From anywhere. An access level with the addresses of the gateway is narrower: a stolen token is of no use elsewhere then.
cat >ingress.yaml <<'YAML'
- ingressFrom:
    identities:
    - serviceAccount:@ACCOUNT@
    sources:
    - accessLevel: '*'
  ingressTo:
    operations:
    - serviceName: bigquery.googleapis.com
      methodSelectors:
      - method: '*'
    resources:
    - '*'
YAML
number=$(gcloud projects describe @PROJECT@ --format='value(projectNumber)')
gcloud access-context-manager perimeters create sluice --policy=@POLICY@ --title=sluice --perimeter-type=regular \
  --resources="projects/$number" --restricted-services=bigquery.googleapis.com,bigquerystorage.googleapis.com --ingress-policies=ingress.yaml
"#;
