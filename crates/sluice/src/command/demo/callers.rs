//! Who calls in the demo, and what their issuers say of them.

use serde_json::{Value, json};

pub const CI_ISSUER: &str = "https://ci.demo.sluice.test";
pub const COMPANY_ISSUER: &str = "https://login.demo.sluice.test";
pub const SERVICES_ISSUER: &str = "https://services.demo.sluice.test";
pub const AUDIENCE: &str = "https://gateway.demo.sluice.test";

pub struct DemoCaller {
    pub name: &'static str,
    pub kind: &'static str,
    pub groups: &'static [&'static str],
    pub issuer: &'static str,
    /// Claims beside issuer, audience and times.
    pub claims: fn() -> Value,
}

pub const CALLERS: [DemoCaller; 5] = [
    DemoCaller { name: "analyst", kind: "person", groups: &["staff", "clinical-analysts"], issuer: COMPANY_ISSUER, claims: analyst },
    DemoCaller { name: "etl-nightly", kind: "pipeline", groups: &["ci-analytics"], issuer: CI_ISSUER, claims: etl_nightly },
    DemoCaller { name: "report-job", kind: "service", groups: &["staff"], issuer: SERVICES_ISSUER, claims: report_job },
    DemoCaller { name: "stranger", kind: "person", groups: &["visitors"], issuer: COMPANY_ISSUER, claims: stranger },
    DemoCaller { name: "support-agent", kind: "agent", groups: &[], issuer: COMPANY_ISSUER, claims: support_agent },
];

fn analyst() -> Value {
    json!({ "sub": "u-1001", "name": "Ada Analyst", "groups": ["staff", "clinical-analysts"] })
}

fn etl_nightly() -> Value {
    json!({
        "sub": "repo:acme/warehouse:ref:refs/heads/main",
        "repository": "acme/warehouse",
        "repository_id": "456789",
        "repository_owner": "acme",
        "repository_owner_id": "1234",
        "repository_visibility": "private",
        "ref": "refs/heads/main",
        "ref_type": "branch",
        "ref_protected": "true",
        "sha": "8c2f0b4de7a1930c55d6f1e2a3b4c5d6e7f80912",
        "event_name": "schedule",
        "workflow": "nightly",
        "workflow_ref": "acme/warehouse/.github/workflows/nightly.yml@refs/heads/main",
        "workflow_sha": "8c2f0b4de7a1930c55d6f1e2a3b4c5d6e7f80912",
        "job_workflow_ref": "acme/warehouse/.github/workflows/nightly.yml@refs/heads/main",
        "job_workflow_sha": "8c2f0b4de7a1930c55d6f1e2a3b4c5d6e7f80912",
        "run_id": "901234567",
        "run_number": "42",
        "run_attempt": "1",
        "runner_environment": "github-hosted",
        "actor": "ada",
        "actor_id": "77"
    })
}

fn report_job() -> Value {
    json!({ "sub": "svc-reports", "name": "report-job" })
}

fn stranger() -> Value {
    json!({ "sub": "u-9999", "name": "Sam Stranger", "groups": ["visitors"] })
}

/// An agent that acts for the analyst's colleague: `act` names the agent, `sub` the person.
fn support_agent() -> Value {
    json!({ "sub": "u-2002", "name": "Pat Support", "groups": ["staff", "support"], "act": { "sub": "support-agent", "iss": COMPANY_ISSUER } })
}
