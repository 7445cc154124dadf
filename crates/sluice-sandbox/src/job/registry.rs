//! All jobs that are known. The oldest finished ones go when there are too many.

use super::record::Job;
use crate::execute::{JobFacts, JobHistory};
use crate::problem::{Problem, Reason};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub const JOBS_MAX: usize = 10_000;

#[derive(Default)]
pub struct Registry {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// By a number that counts up.
    jobs: BTreeMap<u64, Arc<Job>>,
    numbers: HashMap<(String, String), u64>,
    /// By project and request id of `jobs.query`.
    requests: HashMap<(String, String), Arc<Claim>>,
    last: u64,
}

/// The job that answers a request, once there is one. Whoever comes with the same request id meanwhile waits for the lock.
pub type Claim = tokio::sync::Mutex<Option<Arc<Job>>>;

/// Which jobs are listed.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub parent: Option<String>,
    /// Lower-case state words; empty for all.
    pub states: Vec<String>,
    pub created_from_milliseconds: Option<i64>,
    pub created_to_milliseconds: Option<i64>,
    pub user_email: Option<String>,
}

impl Registry {
    /// Gives the jobs that had to go, so that their results can go too.
    pub fn add(&self, job: Arc<Job>) -> Result<Vec<Arc<Job>>, Problem> {
        let mut inner = self.lock();
        let key = (job.ticket.project.clone(), job.ticket.id.clone());
        if inner.numbers.contains_key(&key) {
            let message = format!("Already Exists: Job {}:{}.{}", job.ticket.project, job.ticket.location, job.ticket.id);
            return Err(Problem::new(Reason::Duplicate, message));
        }
        inner.last += 1;
        let number = inner.last;
        inner.numbers.insert(key, number);
        inner.jobs.insert(number, job);
        let excess = inner.jobs.len().saturating_sub(JOBS_MAX);
        let old: Vec<u64> = inner.jobs.iter().filter(|(_, job)| job.is_done()).map(|(number, _)| *number).take(excess).collect();
        Ok(old.into_iter().filter_map(|number| inner.forget(number)).collect())
    }

    pub fn get(&self, project: &str, id: &str) -> Result<Arc<Job>, Problem> {
        let inner = self.lock();
        let number = inner.numbers.get(&(project.to_owned(), id.to_owned()));
        let job = number.and_then(|number| inner.jobs.get(number));
        job.cloned().ok_or_else(|| Problem::not_found(format!("Not found: Job {project}:{id}")))
    }

    pub fn remove(&self, project: &str, id: &str) -> Option<Arc<Job>> {
        let mut inner = self.lock();
        let number = inner.numbers.get(&(project.to_owned(), id.to_owned())).copied()?;
        inner.forget(number)
    }

    /// What is known of this request, the same for all that send its id.
    pub fn claim(&self, project: &str, request: &str) -> Arc<Claim> {
        self.lock().requests.entry((project.to_owned(), request.to_owned())).or_default().clone()
    }

    /// The newest first, from the place that a page token names.
    pub fn list(&self, project: &str, filter: &Filter, before: Option<u64>, count_max: usize) -> (Vec<Arc<Job>>, Option<u64>) {
        let inner = self.lock();
        let below = before.unwrap_or(u64::MAX);
        let mut matching = inner.jobs.range(..below).rev().filter(|(_, job)| job.ticket.project == project && filter.matches(job));
        let mut page = Vec::new();
        let mut last = None;
        for (number, job) in matching.by_ref().take(count_max) {
            page.push(job.clone());
            last = Some(*number);
        }
        let next = matching.next().and(last);
        (page, next)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl JobHistory for Registry {
    fn jobs(&self) -> Vec<JobFacts> {
        self.lock().jobs.values().map(|job| job.facts()).collect()
    }
}

impl Inner {
    fn forget(&mut self, number: u64) -> Option<Arc<Job>> {
        let job = self.jobs.remove(&number)?;
        self.numbers.remove(&(job.ticket.project.clone(), job.ticket.id.clone()));
        // A claim that is held, or that somebody waits for, has no job yet or is still needed.
        self.requests.retain(|_, claim| match claim.try_lock() {
            Ok(held) => held.as_ref().map_or(Arc::strong_count(claim) > 1, |other| !Arc::ptr_eq(other, &job)),
            Err(_) => true,
        });
        Some(job)
    }
}

impl Filter {
    fn matches(&self, job: &Job) -> bool {
        let state = job.progress().phase.word().to_ascii_lowercase();
        self.parent == job.ticket.parent
            && (self.states.is_empty() || self.states.contains(&state))
            && self.created_from_milliseconds.is_none_or(|from| job.created_milliseconds >= from)
            && self.created_to_milliseconds.is_none_or(|to| job.created_milliseconds < to)
            && self.user_email.as_ref().is_none_or(|user| job.ticket.user_email == *user)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Finished, JobKind, Ticket};
    use super::*;
    use serde_json::Value;

    fn job(id: &str, parent: Option<&str>) -> Arc<Job> {
        let job = Job::new(Ticket {
            kind: JobKind::Query,
            project: "p".to_owned(),
            id: id.to_owned(),
            location: "US".to_owned(),
            user_email: "a@b".to_owned(),
            parent: parent.map(str::to_owned),
            configuration: Value::Null,
            sql: String::new(),
            labels: Vec::new(),
            frame: None,
        });
        job.finish(Finished::default(), None);
        Arc::new(job)
    }

    #[test]
    fn ids_are_taken_once() {
        let registry = Registry::default();
        registry.add(job("a", None)).unwrap();
        assert_eq!(registry.add(job("a", None)).err().map(|problem| problem.reason), Some(Reason::Duplicate));
        registry.remove("p", "a");
        assert!(registry.get("p", "a").is_err());
        registry.add(job("a", None)).unwrap();
    }

    #[test]
    fn lists_are_paged_newest_first() {
        let registry = Registry::default();
        for id in ["a", "b", "c"] {
            registry.add(job(id, None)).unwrap();
        }
        registry.add(job("child", Some("c"))).unwrap();
        let ids = |jobs: Vec<Arc<Job>>| jobs.iter().map(|job| job.ticket.id.clone()).collect::<Vec<_>>();
        let (first, next) = registry.list("p", &Filter::default(), None, 2);
        assert_eq!(ids(first), ["c", "b"]);
        let (second, end) = registry.list("p", &Filter::default(), next, 2);
        assert_eq!((ids(second), end), (vec!["a".to_owned()], None));
        let filter = Filter { parent: Some("c".to_owned()), ..Filter::default() };
        assert_eq!(ids(registry.list("p", &filter, None, 9).0), ["child"]);
    }

    #[test]
    fn the_oldest_go_first() {
        let registry = Registry::default();
        let gone: usize = (0..JOBS_MAX + 3).map(|number| registry.add(job(&number.to_string(), None)).unwrap().len()).sum();
        assert_eq!(gone, 3);
        assert!(registry.get("p", "2").is_err());
        assert!(registry.get("p", "3").is_ok());
    }
}
