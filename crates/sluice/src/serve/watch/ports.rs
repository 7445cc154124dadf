//! The upstream, watched: it does what the one inside does, and is timed.

use super::Watch;
use sluice_app::{
    AppendSink, AppendSource, Asking, BatchSource, JobName, JobState, KnownJob, RawRows, RawSession, Resource, RowsAsk, StreamAnswer,
    Upload, Upstream, UpstreamFault,
};
use sluice_ledger::Recorded;
use sluice_policy::{DryRun, Estimate, Permit};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub struct WatchedUpstream<U> {
    pub upstream: Arc<U>,
    pub watch: Arc<Watch>,
}

impl<U> WatchedUpstream<U> {
    async fn watched<T>(&self, call: &'static str, asking: Asking<'_, Result<T, UpstreamFault>>) -> Result<T, UpstreamFault> {
        let begun = Instant::now();
        let answer = asking.await;
        let outcome = answer.as_ref().err().map_or("done", |fault| fault.kind.word());
        self.watch.metrics.upstream(call, outcome, begun.elapsed());
        answer
    }
}

impl<U: Upstream> Upstream for WatchedUpstream<U> {
    fn estimate<'a>(&'a self, estimate: &'a Recorded<Estimate>) -> Asking<'a, Result<DryRun, UpstreamFault>> {
        Box::pin(self.watched("dry_run", self.upstream.estimate(estimate)))
    }

    fn dispatch<'a>(&'a self, permit: &'a Recorded<Permit>, upload: Option<Upload>) -> Asking<'a, Result<JobState, UpstreamFault>> {
        Box::pin(self.watched("dispatch", self.upstream.dispatch(permit, upload)))
    }

    fn send<'a>(&'a self, permit: &'a Recorded<Permit>) -> Asking<'a, Result<Resource, UpstreamFault>> {
        Box::pin(self.watched("send", self.upstream.send(permit)))
    }

    fn job<'a>(
        &'a self,
        permit: &'a Recorded<Permit>,
        job: &'a JobName,
        patience: Duration,
    ) -> Asking<'a, Result<JobState, UpstreamFault>> {
        Box::pin(self.watched("job", self.upstream.job(permit, job, patience)))
    }

    fn sent_before<'a>(&'a self, job: &'a KnownJob) -> Asking<'a, Result<JobState, UpstreamFault>> {
        Box::pin(self.watched("job", self.upstream.sent_before(job)))
    }

    fn rows<'a>(&'a self, permit: &'a Recorded<Permit>, rows: &'a RowsAsk) -> Asking<'a, Result<RawRows, UpstreamFault>> {
        Box::pin(self.watched("rows", self.upstream.rows(permit, rows)))
    }

    fn open_session<'a>(&'a self, permit: &'a Recorded<Permit>) -> Asking<'a, Result<RawSession, UpstreamFault>> {
        Box::pin(self.watched("open_session", self.upstream.open_session(permit)))
    }

    fn read_stream<'a>(&'a self, permit: &'a Recorded<Permit>) -> Asking<'a, Result<Box<dyn BatchSource>, UpstreamFault>> {
        Box::pin(self.watched("read_stream", self.upstream.read_stream(permit)))
    }

    fn split_stream<'a>(&'a self, permit: &'a Recorded<Permit>) -> Asking<'a, Result<Option<[String; 2]>, UpstreamFault>> {
        Box::pin(self.watched("split_stream", self.upstream.split_stream(permit)))
    }

    fn ask_of_stream<'a>(&'a self, permit: &'a Recorded<Permit>) -> Asking<'a, Result<StreamAnswer, UpstreamFault>> {
        Box::pin(self.watched("ask_of_stream", self.upstream.ask_of_stream(permit)))
    }

    fn append_rows<'a>(
        &'a self,
        permit: &'a Recorded<Permit>,
    ) -> Asking<'a, Result<(Box<dyn AppendSink>, Box<dyn AppendSource>), UpstreamFault>> {
        Box::pin(self.watched("append_rows", self.upstream.append_rows(permit)))
    }
}
