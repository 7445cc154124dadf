//! Waiting for a job: BigQuery holds the question for queries; for others it is asked now and then.

use super::page;
use super::read;
use super::upstream::Matter;
use crate::pause::Pauses;
use sluice_app::{JobName, JobState, UpstreamFault, UpstreamFaultKind};
use sluice_mask::RawPage;
use std::time::Duration;
use tokio::time::Instant;

/// BigQuery holds a question for some minutes at most; proxies on the way for less.
const POLL_SECONDS_MAX: u64 = 20;
const PAUSES: Pauses = Pauses { first: Duration::from_millis(200), max: Duration::from_secs(2) };

impl Matter<'_> {
    pub(super) async fn job(&self, job: &JobName, patience: Duration) -> Result<JobState, UpstreamFault> {
        let until = Instant::now() + patience;
        let mut rounds = 0;
        loop {
            rounds += 1;
            let left = until.saturating_duration_since(Instant::now()).min(Duration::from_secs(POLL_SECONDS_MAX));
            // A job that has no rows, or that failed, is refused here; its state says which.
            let polled = if left.is_zero() { None } else { self.long_poll(job, left).await.ok() };
            let state = self.state(job).await?;
            if state.done {
                return self.with_head(state, polled).await;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(state);
            }
            if polled.is_none() {
                tokio::time::sleep(PAUSES.after(rounds).min(left)).await;
            }
        }
    }

    /// What a query made, as `getQueryResults` says it.
    async fn with_head(&self, mut state: JobState, polled: Option<RawPage>) -> Result<JobState, UpstreamFault> {
        if state.error.is_some() || !read::is_query(&state.resource.0) {
            return Ok(state);
        }
        let page = match polled.filter(|page| page.head.complete) {
            Some(page) => page,
            None => match self.head(&state.name).await {
                Ok(page) => page,
                // Results go before jobs do.
                Err(fault) if fault.kind == UpstreamFaultKind::Refused => return Ok(state),
                Err(fault) => return Err(fault),
            },
        };
        let misread = |misread: read::Misread| UpstreamFault {
            kind: UpstreamFaultKind::Malformed,
            status: None,
            error: None,
            attempts: 1,
            may_have_acted: false,
            detail: misread.to_string(),
        };
        state.schema = page::schema(&page).map_err(misread)?;
        state.head = Some(page.head);
        Ok(state)
    }
}
