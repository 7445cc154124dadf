//! What a caller may do. Pure: a caller, a request with its analysis, what the dry run said and the time go in; a verdict comes out.
//!
//! Policies are Cedar, checked against a published schema. Their annotations carry duties, labels say which columns are sensitive,
//! and whatever cannot be evaluated refuses. docs/policy.md is the page for people who write policy.

mod activation;
mod ask;
mod bundle;
pub mod cases;
mod cast;
mod change;
mod condition;
mod decide;
mod duty;
mod explain;
mod fact;
mod facts;
mod finding;
mod guard;
mod hearing;
mod historical;
mod index;
mod judge;
mod labels;
mod layout;
mod limit;
mod mask;
mod mention;
mod nesting;
mod plan;
mod problem;
mod question;
mod reason;
mod request;
mod schema;
mod set;
mod settings;
mod shadow;
mod tell;
mod weigh;

pub use activation::{
    ACTIVATION_AGE_SECONDS_MAX, ACTIVATION_BYTES_MAX, Activated, Activation, ActivationError, ActivationKeys, ActivationLog, Standing,
};
pub use ask::Circumstances;
pub use bundle::{BUNDLE_BYTES_MAX, Bundle, BundleDigest, LABELS_FILE, POLICY_EXTENSION, SETTINGS_FILE};
pub use change::{Change, Part, changes};
pub use decide::{Decision, Estimate, Hold, Permit, Refusal, Verdict};
pub use duty::{Assurance, Duties, HOLD_EXPIRY_SECONDS_MAX, HoldDuty, QUORUM_MAX};
pub use explain::explain;
pub use finding::{FindingAct, FindingKind, FindingRule, FindingRules};
pub use judge::{Difference, DryRun, compare, fits};
pub use labels::{FOUND_LABEL, Known, LABELS_FORMAT, Label, Labels, UNMAPPED_TAG, Written, canonical, canonical_table, whole};
pub use limit::{Amount, Counters, DayUse, Exceeded, Halt, Limit, LimitRule, MemoryCounters, Who};
pub use mask::{CONSTANT_BYTES_MAX, Mask, PARTIAL_CHARACTERS_MAX, Partial, Side};
pub use plan::{Carried, ClearPath, Inherited, MaskedPath, destinations, shown_statements, writes_columns};
pub use problem::Problem;
pub use question::is_temporary;
pub use reason::{Missing, Need, Reason, ReasonKind, RuleNote};
pub use request::{Destination, Method, Parameter, Purpose, Request, Resource, Restriction, Sends, Statement, Verb, Work};
pub use schema::SCHEMA;
pub use set::{PolicySet, RULES_MAX, Rule};
pub use settings::{JudgeMode, Probing, SETTINGS_FORMAT, Settings};
pub use shadow::{SHADOWS_MAX, ShadowEvaluation, shadows};
pub use tell::{TOLD_REASONS_MAX, tell};
pub use weigh::{Cost, Deciding, Evaluation, MayTell, NEAR_MISSES_MAX, Outcome};
