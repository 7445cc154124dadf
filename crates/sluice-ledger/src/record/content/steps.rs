//! Which step of a request puts which sections on record. The grammar says in which order they may come.

use super::{Finding, Identity, Meta, Page, Policy, Request, Totals, Upstream};
use crate::record::draft::{Draft, DraftError};
use crate::record::kind::Kind;
use crate::record::leaf::{Subject, Target};

/// The records of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    pub subject: Subject,
}

impl Steps {
    pub fn estimated(self, meta: &Meta, identity: &Identity, request: &Request, policy: &Policy) -> Result<Draft, DraftError> {
        self.decided(Kind::RequestEstimated, meta, identity, request, policy)
    }

    pub fn admitted(self, meta: &Meta, identity: &Identity, request: &Request, policy: &Policy) -> Result<Draft, DraftError> {
        self.decided(Kind::RequestAdmitted, meta, identity, request, policy)
    }

    /// By policy.
    pub fn refused(self, meta: &Meta, identity: &Identity, request: &Request, policy: &Policy) -> Result<Draft, DraftError> {
        self.decided(Kind::RequestRefused, meta, identity, request, policy)
    }

    /// By anything else, before or after policy was asked: a limit, a disagreement of the judges, BigQuery.
    pub fn refused_otherwise(self, meta: &Meta, identity: Option<&Identity>) -> Result<Draft, DraftError> {
        let draft = Draft::of_request(Kind::RequestRefused, self.subject)?.with_content(meta)?;
        match identity {
            Some(identity) => draft.with_content(identity),
            None => Ok(draft),
        }
    }

    /// The same for what was asked before anybody could be asked about it: a statement that is not understood.
    pub fn refused_unasked(self, meta: &Meta, identity: &Identity, request: &Request) -> Result<Draft, DraftError> {
        self.refused_otherwise(meta, Some(identity))?.with_content(request)
    }

    pub fn waiting(self, meta: &Meta, identity: &Identity, request: &Request, policy: &Policy) -> Result<Draft, DraftError> {
        self.decided(Kind::ApprovalRequested, meta, identity, request, policy)
    }

    pub fn dispatched(self, upstream: &Upstream) -> Result<Draft, DraftError> {
        Draft::of_request(Kind::UpstreamDispatched, self.subject)?.with_content(upstream)
    }

    pub fn page(self, page: &Page) -> Result<Draft, DraftError> {
        Draft::of_request(Kind::ResultPage, self.subject)?.with_content(page)
    }

    pub fn completed(self, meta: &Meta, totals: &Totals, upstream: &Upstream) -> Result<Draft, DraftError> {
        Draft::of_request(Kind::RequestCompleted, self.subject)?.with_content(meta)?.with_content(totals)?.with_content(upstream)
    }

    /// For what a crash left open: nobody knows more than that.
    pub fn interrupted(self) -> Result<Draft, DraftError> {
        let meta = Meta { outcome: "interrupted".to_owned(), ..Meta::default() };
        Draft::of_request(Kind::RequestInterrupted, self.subject)?.with_content(&meta)
    }

    fn decided(self, kind: Kind, meta: &Meta, identity: &Identity, request: &Request, policy: &Policy) -> Result<Draft, DraftError> {
        let draft = Draft::of_request(kind, self.subject)?;
        draft.with_content(meta)?.with_content(identity)?.with_content(request)?.with_content(policy)
    }
}

impl Draft {
    /// A token that was refused before anybody was known by it.
    pub fn of_refused_token(meta: &Meta) -> Result<Draft, DraftError> {
        Draft::new(Kind::AuthnFail)?.with_content(meta)
    }

    /// A token that was exchanged: a session begins.
    pub fn of_session(meta: &Meta, identity: &Identity) -> Result<Draft, DraftError> {
        Draft::new(Kind::AuthnOk)?.with_content(meta)?.with_content(identity)
    }

    /// A caller that asks by labelled columns again and again.
    pub fn of_probing(meta: &Meta, identity: &Identity) -> Result<Draft, DraftError> {
        Draft::new(Kind::CallerProbing)?.with_content(meta)?.with_content(identity)
    }

    /// Of no request: several may have shown it.
    pub fn of_finding(finding: &Finding) -> Result<Draft, DraftError> {
        Draft::new(Kind::Finding)?.with_content(finding)
    }

    /// What people do to a record: hold it, release it, give it up.
    pub fn of_change(kind: Kind, target: Option<Target>, change: &super::Change) -> Result<Draft, DraftError> {
        let draft = match target {
            Some(target) => Draft::of_record(kind, target)?,
            None => Draft::new(kind)?,
        };
        draft.with_content(change)
    }
}
