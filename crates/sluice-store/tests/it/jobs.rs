//! The book of jobs against a naive one, against threads and processes that want the same id, against whoever reads its file, and against its own limits.

use crate::world::{NOON_MS, ORIGIN, TestMachine, both_masters, new_master, old_master, subject};
use proptest::prelude::*;
use sluice_app::{Course, JobName, JobWork, Jobs, JobsFault, KnownJob, QueryWork, Verdict};
use sluice_ledger::keyring::MasterKey;
use sluice_model::{Analysis, Output, StatementAnalysis, TableName, Type};
use sluice_policy::Parameter;
use sluice_store::{JobBook, JobLimits, Scribe, StoreFault};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const SECRET: &str = "canary-of-the-statement";
const DAY_MS: u64 = 86_400_000;

struct Made {
    path: PathBuf,
    machine: Arc<TestMachine>,
    scribe: Scribe,
    _folder: TempDir,
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
}

fn scribe(master: impl MasterKey + 'static, machine: &Arc<TestMachine>) -> Scribe {
    Scribe::new(ORIGIN, Arc::new(master), machine.clone())
}

/// An empty book.
fn made() -> Made {
    let (folder, machine) = (tempfile::tempdir().unwrap(), Arc::new(TestMachine::new(7)));
    let path = folder.path().join("jobs.sqlite");
    let scribe = scribe(both_masters(), &machine);
    JobBook::create(&path, &scribe).unwrap();
    Made { path, machine, scribe, _folder: folder }
}

fn name(id: &str) -> JobName {
    JobName { project: "project-of-jobs".to_owned(), location: None, id: id.to_owned() }
}

fn result(number: u64) -> TableName {
    TableName::new("project-of-jobs", "_anonymous", &format!("anon{number}"))
}

fn job(owner: &str, id: &str, request_id: Option<&str>) -> KnownJob {
    let output = Output { name: SECRET.to_owned(), kind: Some(Type::array(Type::String)), exposures: Vec::new() };
    let statement = StatementAnalysis { outputs: vec![output], ..StatementAnalysis::default() };
    let work = QueryWork {
        text: format!("SELECT '{SECRET}'"),
        parameters: vec![Parameter { name: "p".to_owned(), kind: "STRING".to_owned(), value: SECRET.to_owned() }],
        default_dataset: None,
        destination: None,
        analysis: Arc::new(Analysis { statements: vec![statement], refused: None }),
        dry_run: None,
        part: sluice_app::Part::Whole,
    };
    KnownJob {
        connection: "connection-of-jobs".to_owned(),
        name: name(id),
        owner: format!("https://issuer.example.com#{owner}"),
        subject: subject(1),
        request_id: request_id.map(str::to_owned),
        created_ms: NOON_MS,
        work: JobWork::Query(Box::new(work)),
        result_table: None,
        arrived: false,
        course: Course::default(),
    }
}

fn ids(found: &[Arc<KnownJob>]) -> Vec<&str> {
    found.iter().map(|job| job.name.id.as_str()).collect()
}

#[test]
fn a_restart_forgets_nothing() {
    let Made { path, scribe, _folder, .. } = made();
    runtime().block_on(async {
        let ana = job("ana", "one", Some("r"));
        let book = JobBook::open(&path, &scribe, JobLimits::default()).unwrap();
        assert_eq!(book.begin(ana.clone()).await, Ok(()));
        assert_eq!(book.find("connection-of-jobs", &name("one")).await, Ok(Some(Arc::new(ana.clone()))));
        let placed = JobName { location: Some("eu".to_owned()), ..name("one") };
        assert_eq!(book.settle("connection-of-jobs", &placed, Some(result(1)), None).await, Ok(()));
        // What became of it is not undone by who knows less.
        assert_eq!(book.settle("connection-of-jobs", &name("one"), None, None).await, Ok(()));
        drop(book);
        let book = JobBook::open(&path, &scribe, JobLimits::default()).unwrap();
        let settled = Some(Arc::new(KnownJob { name: placed.clone(), result_table: Some(result(1)), arrived: true, ..ana.clone() }));
        assert_eq!(book.find("connection-of-jobs", &name("one")).await, Ok(settled.clone()));
        assert_eq!(book.find_by_request_id(&ana.owner, "project-of-jobs", "r").await, Ok(settled.clone()));
        assert_eq!(book.find_by_destination("connection-of-jobs", &result(1)).await, Ok(settled));
        for found in [
            book.find("another", &name("one")).await,
            book.find("connection-of-jobs", &JobName { project: "another".to_owned(), ..name("one") }).await,
            book.find_by_request_id("https://issuer.example.com#bob", "project-of-jobs", "r").await,
            book.find_by_request_id(&ana.owner, "another", "r").await,
            book.find_by_destination("another", &result(1)).await,
            book.find_by_destination("connection-of-jobs", &result(2)).await,
        ] {
            assert_eq!(found, Ok(None));
        }
        assert_eq!(book.begin(job("bob", "one", None)).await, Err(JobsFault::Taken));
        assert_eq!(book.begin(job("ana", "two", Some("r"))).await, Err(JobsFault::Taken));
        assert_eq!(book.find("connection-of-jobs", &name("two")).await, Ok(None));
        assert_eq!(book.begin(job("bob", "two", Some("r"))).await, Ok(()));
    });
}

/// The files as they lie there at the moment of the answer, without anybody closing them: what a killed process leaves.
#[test]
fn what_was_answered_is_on_the_disk() {
    let Made { path, scribe, _folder, .. } = made();
    runtime().block_on(async {
        let book = JobBook::open(&path, &scribe, JobLimits::default()).unwrap();
        for number in 0..20 {
            let id = format!("j{number}");
            book.begin(job("ana", &id, None)).await.unwrap();
            book.settle("connection-of-jobs", &name(&id), Some(result(number)), None).await.unwrap();
            let image = tempfile::tempdir().unwrap();
            for suffix in ["", "-wal"] {
                let copied =
                    std::fs::copy(path.with_file_name(format!("jobs.sqlite{suffix}")), image.path().join(format!("jobs.sqlite{suffix}")));
                assert!(copied.unwrap() > 0);
            }
            let after = JobBook::open(&image.path().join("jobs.sqlite"), &scribe, JobLimits::default()).unwrap();
            let found = after.find("connection-of-jobs", &name(&id)).await.unwrap().unwrap();
            assert_eq!(found.result_table, Some(result(number)));
        }
    });
}

/// Two books on one file are two replicas; each has threads of its own.
#[test]
fn of_all_who_want_an_id_one_gets_it() {
    let Made { path, scribe, _folder, .. } = made();
    let books: Vec<Arc<JobBook>> = (0..2).map(|_| Arc::new(JobBook::open(&path, &scribe, JobLimits::default()).unwrap())).collect();
    let runtime = runtime();
    for round in 0..30 {
        let won = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..16)
            .map(|number| {
                let (book, won) = (books[number % 2].clone(), won.clone());
                // In odd rounds it is the request id that they share.
                let (id, request) = if round % 2 == 0 { (format!("j{round}"), None) } else { (format!("j{round}-{number}"), Some("same")) };
                let request = request.map(|word| format!("{word}{round}"));
                let owner = if request.is_some() { "ana".to_owned() } else { format!("owner{number}") };
                runtime.spawn(async move {
                    match book.begin(job(&owner, &id, request.as_deref())).await {
                        Ok(()) => drop(won.fetch_add(1, Ordering::SeqCst)),
                        Err(fault) => assert_eq!(fault, JobsFault::Taken),
                    }
                })
            })
            .collect();
        tasks.into_iter().for_each(|task| runtime.block_on(task).unwrap());
        assert_eq!(won.load(Ordering::SeqCst), 1, "{round}");
    }
}

#[test]
fn the_files_hold_no_name_and_no_statement() {
    let Made { path, scribe, _folder, .. } = made();
    let runtime = runtime();
    let book = JobBook::open(&path, &scribe, JobLimits::default()).unwrap();
    runtime.block_on(async {
        for number in 0..50 {
            let id = format!("id-of-job-{number}");
            book.begin(job("ana-of-jobs", &id, Some(&format!("request-of-job-{number}")))).await.unwrap();
            book.settle("connection-of-jobs", &name(&id), Some(result(number)), None).await.unwrap();
        }
    });
    let look = || {
        let mut bytes_seen = 0;
        for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            bytes_seen += bytes.len();
            for word in
                [SECRET, "SELECT '", "ana-of-jobs", "issuer.example", "id-of-job", "request-of-job", "connection-of", "project-of", "anon"]
            {
                assert!(!bytes.windows(word.len()).any(|part| part == word.as_bytes()), "{word}");
            }
        }
        assert!(bytes_seen > 50_000);
    };
    look();
    drop(book);
    look();
}

#[test]
fn another_key_another_row_another_file() {
    let Made { path, machine, scribe: first, _folder } = made();
    let runtime = runtime();
    runtime.block_on(async {
        let book = JobBook::open(&path, &first, JobLimits::default()).unwrap();
        book.begin(job("ana", "one", None)).await.unwrap();
        book.begin(job("bob", "two", None)).await.unwrap();
    });
    let open = |scribe: &Scribe| JobBook::open(&path, scribe, JobLimits::default()).map(drop);
    // What the older master key wrapped was wrapped anew when it was opened: the newer one is enough.
    assert_eq!(open(&scribe(new_master(), &machine)), Ok(()));
    assert!(matches!(open(&scribe(old_master(), &machine)), Err(StoreFault::Key(_))));
    assert!(matches!(JobBook::create(&path, &first), Err(StoreFault::Dead(_))));
    let missing = JobBook::open(Path::new("/nowhere/jobs.sqlite"), &first, JobLimits::default()).map(drop);
    assert!(matches!(missing, Err(StoreFault::Missing(_))));
    // Texts that change places do not open: Bob's statement is not taken for Ana's, nor a job's end for a job.
    let swap = |text: &str| rusqlite::Connection::open(&path).unwrap().execute(text, []).unwrap();
    let found =
        |id: &str| runtime.block_on(JobBook::open(&path, &first, JobLimits::default()).unwrap().find("connection-of-jobs", &name(id)));
    assert!(found("one").is_ok_and(|found| found.is_some()));
    assert_eq!(swap("UPDATE jobs SET body = (SELECT body FROM jobs WHERE number = 2) WHERE number = 1"), 1);
    assert!(matches!(found("one"), Err(JobsFault::Unavailable(_))));
    assert_eq!(swap("UPDATE jobs SET fate = body WHERE number = 2"), 1);
    assert!(matches!(found("two"), Err(JobsFault::Unavailable(_))));
    assert_eq!(swap("PRAGMA user_version = 2"), 0);
    assert_eq!(open(&first), Err(StoreFault::Format { found: 2, known: 1 }));
    assert_eq!(swap("PRAGMA application_id = 2"), 0);
    assert!(matches!(open(&first), Err(StoreFault::Damaged(_))));
}

#[test]
fn limits_forget_jobs_and_keep_their_ids() {
    let Made { path, machine, scribe, _folder } = made();
    let limits = JobLimits { age_days_max: 10, ids_max: 8, jobs_max: 5, of_one_owner_max: 3 };
    runtime().block_on(async {
        let book = JobBook::open(&path, &scribe, limits).unwrap();
        for id in ["a1", "a2", "a3", "a4"] {
            book.begin(job("ana", id, Some(id))).await.unwrap();
        }
        let listed = async |owner: &str| {
            let found = book.list(&format!("https://issuer.example.com#{owner}"), "project-of-jobs", None, 100).await.unwrap();
            found.iter().map(|job| job.name.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(listed("ana").await, ["a4", "a3", "a2"]);
        // Forgotten is not free: the job is still there at BigQuery, and would be somebody else's.
        assert_eq!(book.find("connection-of-jobs", &name("a1")).await, Ok(None));
        assert_eq!(book.begin(job("bob", "a1", None)).await, Err(JobsFault::Taken));
        assert_eq!(book.begin(job("ana", "a9", Some("a1"))).await, Err(JobsFault::Taken));
        for id in ["b1", "b2", "b3"] {
            book.begin(job("bob", id, None)).await.unwrap();
        }
        assert_eq!(
            (listed("ana").await, listed("bob").await),
            (vec!["a4".to_owned(), "a3".to_owned()], ["b3", "b2", "b1"].map(str::to_owned).to_vec())
        );
        book.begin(job("eve", "e1", None)).await.unwrap();
        assert!(matches!(book.begin(job("eve", "e2", None)).await, Err(JobsFault::Unavailable(_))));
        machine.pass(10 * DAY_MS);
        assert_eq!(listed("bob").await, ["b3", "b2", "b1"]);
        machine.pass(1);
        assert_eq!(listed("bob").await, [""; 0]);
        assert_eq!(book.find("connection-of-jobs", &name("b1")).await, Ok(None));
        // Full once more: what is too old goes with that, and the next finds place.
        let late = |id: &str| KnownJob { created_ms: NOON_MS + 10 * DAY_MS, ..job("ana", id, None) };
        let _ = book.begin(late("a0")).await;
        assert_eq!(book.begin(late("a1")).await, Ok(()));
    });
}

#[test]
fn lists_go_on_behind_a_job_of_ones_own() {
    let Made { path, scribe, _folder, .. } = made();
    runtime().block_on(async {
        let book = JobBook::open(&path, &scribe, JobLimits::default()).unwrap();
        for id in ["a1", "b1", "a2", "a3", "b2"] {
            let owner = if id.starts_with('a') { "ana" } else { "bob" };
            book.begin(job(owner, id, None)).await.unwrap();
        }
        let list = async |before: Option<&str>, jobs_max: usize| {
            let found = book.list("https://issuer.example.com#ana", "project-of-jobs", before, jobs_max).await.unwrap();
            ids(&found).join(" ")
        };
        assert_eq!(list(None, 10).await, "a3 a2 a1");
        assert_eq!(list(None, 2).await, "a3 a2");
        assert_eq!(list(Some("a2"), 10).await, "a1");
        assert_eq!(list(Some("a1"), 10).await, "");
        // Another's job is as good as none.
        assert_eq!(list(Some("b2"), 10).await, "");
        assert_eq!(list(Some("nothing"), 10).await, "");
        assert_eq!(book.list("https://issuer.example.com#ana", "another", None, 10).await, Ok(vec![]));
    });
}

#[derive(Clone, Debug)]
enum Step {
    Begin { owner: usize, id: usize, request: Option<usize> },
    Release { id: usize },
    Settle { id: usize, table: Option<u64> },
    Look { owner: usize, id: usize, request: usize, table: u64, listed: usize },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..3_usize, 0..8_usize, prop::option::of(0..3_usize)).prop_map(|(owner, id, request)| Step::Begin { owner, id, request }),
        3 => (0..8_usize, prop::option::of(0..3_u64)).prop_map(|(id, table)| Step::Settle { id, table }),
        1 => (0..8_usize).prop_map(|id| Step::Release { id }),
        4 => (0..3_usize, 0..8_usize, 0..3_usize, 0..3_u64, 0..5_usize)
            .prop_map(|(owner, id, request, table, listed)| Step::Look { owner, id, request, table, listed }),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Jobs in a list, looked through from one end to the other.
    #[test]
    fn a_naive_book_agrees(steps in prop::collection::vec(step(), 1..40)) {
        let Made { path, scribe, _folder, .. } = made();
        let mut book = Some(JobBook::open(&path, &scribe, JobLimits::default()).unwrap());
        let mut naive: Vec<KnownJob> = Vec::new();
        runtime().block_on(async {
            for step in steps {
                let open = book.as_ref().unwrap();
                match step {
                    Step::Begin { owner, id, request } => {
                        let new = job(&format!("o{owner}"), &format!("j{id}"), request.map(|request| format!("r{request}")).as_deref());
                        let taken = naive.iter().any(|known| {
                            let same_request = known.owner == new.owner && known.request_id.is_some() && known.request_id == new.request_id;
                            same_request || known.name.id == new.name.id
                        });
                        prop_assert_eq!(open.begin(new.clone()).await, if taken { Err(JobsFault::Taken) } else { Ok(()) });
                        naive.extend((!taken).then_some(new));
                    }
                    Step::Release { id } => {
                        prop_assert_eq!(open.release("connection-of-jobs", &name(&format!("j{id}"))).await, Ok(()));
                        naive.retain(|known| known.name.id != format!("j{id}"));
                    }
                    Step::Settle { id, table } => {
                        let placed = JobName { location: Some("eu".to_owned()), ..name(&format!("j{id}")) };
                        prop_assert_eq!(open.settle("connection-of-jobs", &placed, table.map(result), None).await, Ok(()));
                        if let Some(known) = naive.iter_mut().find(|known| known.name.id == placed.id) {
                            known.name = placed;
                            known.arrived = true;
                            known.result_table = table.map(result).or(known.result_table.clone());
                        }
                    }
                    Step::Look { owner, id, request, table, listed } => {
                        let (owner, id, request) = (format!("https://issuer.example.com#o{owner}"), format!("j{id}"), format!("r{request}"));
                        let known = |fits: &dyn Fn(&KnownJob) -> bool| Ok(naive.iter().rev().find(|known| fits(known)).cloned().map(Arc::new));
                        prop_assert_eq!(open.find("connection-of-jobs", &name(&id)).await, known(&|known| known.name.id == id));
                        let by_request = open.find_by_request_id(&owner, "project-of-jobs", &request).await;
                        prop_assert_eq!(by_request, known(&|known| known.owner == owner && known.request_id.as_ref() == Some(&request)));
                        let by_table = open.find_by_destination("connection-of-jobs", &result(table)).await;
                        prop_assert_eq!(by_table, known(&|known| known.result_table == Some(result(table))));
                        let own: Vec<Arc<KnownJob>> = naive.iter().rev().filter(|known| known.owner == owner).cloned().map(Arc::new).collect();
                        let list = open.list(&owner, "project-of-jobs", None, listed).await;
                        prop_assert_eq!(list, Ok(own.iter().take(listed).cloned().collect()));
                        let behind = own.iter().skip_while(|known| known.name.id != id).skip(1).take(listed).cloned().collect();
                        prop_assert_eq!(open.list(&owner, "project-of-jobs", Some(&id), listed).await, Ok(behind));
                    }
                    Step::Reopen => {
                        drop(book.take());
                        book = Some(JobBook::open(&path, &scribe, JobLimits::default()).unwrap());
                    }
                }
            }
            Ok(())
        })?;
    }
}

/// Whoever was withheld stays so; and what nobody has judged is found when the gateway starts.
#[test]
fn a_verdict_is_kept_and_what_has_none_is_found() {
    let Made { path, machine, scribe, _folder } = made();
    runtime().block_on(async {
        let book = JobBook::open(&path, &scribe, JobLimits::default()).unwrap();
        for id in ["shown", "withheld", "told", "open"] {
            book.begin(job("ana", id, None)).await.unwrap();
        }
        let mut part = job("ana", "part", None);
        if let JobWork::Query(work) = &mut part.work {
            work.part = sluice_app::Part::Shown;
        }
        book.begin(part).await.unwrap();
        let late = KnownJob { created_ms: NOON_MS + 10, ..job("ana", "late", None) };
        book.begin(late).await.unwrap();
        let settle = async |id: &str, verdict: Option<Verdict>| book.settle("connection-of-jobs", &name(id), None, verdict).await.unwrap();
        settle("shown", Some(Verdict::Undisturbed)).await;
        settle("withheld", Some(Verdict::Undisturbed)).await;
        settle("withheld", Some(Verdict::Overtaken)).await;
        settle("withheld", Some(Verdict::Undisturbed)).await;
        settle("withheld", None).await;
        // It arrived, and runs.
        settle("told", None).await;
        drop(book);
        let book = JobBook::open(&path, &scribe, JobLimits::default()).unwrap();
        let verdict = async |id: &str| book.find("connection-of-jobs", &name(id)).await.unwrap().unwrap().course.verdict;
        assert_eq!(verdict("shown").await, Some(Verdict::Undisturbed));
        assert_eq!(verdict("withheld").await, Some(Verdict::Overtaken));
        assert_eq!((verdict("told").await, verdict("open").await), (None, None));
        let check = async |since_ms: u64, jobs_max: usize, expect: (&[&str], usize)| {
            let found = book.unsettled(since_ms, jobs_max).await.unwrap();
            assert_eq!((ids(&found.jobs).as_slice(), found.left_out), expect, "{since_ms} {jobs_max}");
        };
        check(NOON_MS, 10, (&["late", "open", "told"], 0)).await;
        check(NOON_MS + 1, 10, (&["late"], 0)).await;
        check(NOON_MS + 11, 10, (&[], 0)).await;
        // Also a part, which is not looked into any more.
        check(NOON_MS, 1, (&["late"], 3)).await;
        rusqlite::Connection::open(&path).unwrap().execute("UPDATE jobs SET body = fate WHERE number = 4", []).unwrap();
        check(NOON_MS, 10, (&["late", "told"], 1)).await;
        machine.pass(201 * DAY_MS);
        check(NOON_MS, 10, (&[], 0)).await;
    });
}

/// A name that BigQuery did not take is free again, with its request id; one that it took is not only claimed any more.
#[test]
fn a_claim_is_released_or_becomes_a_job() {
    let Made { path, scribe, _folder, .. } = made();
    runtime().block_on(async {
        let book = JobBook::open(&path, &scribe, JobLimits::default()).unwrap();
        let ana = job("ana", "one", Some("r"));
        assert_eq!(book.begin(ana.clone()).await, Ok(()));
        assert_eq!(book.begin(job("bob", "one", None)).await, Err(JobsFault::Taken));
        assert!(book.find("connection-of-jobs", &name("one")).await.unwrap().is_some_and(|known| !known.arrived));
        assert_eq!(book.release("connection-of-jobs", &name("one")).await, Ok(()));
        assert_eq!(book.release("connection-of-jobs", &name("one")).await, Ok(()), "nothing is there to release");
        assert_eq!(book.find("connection-of-jobs", &name("one")).await, Ok(None));
        assert_eq!(book.find_by_request_id(&ana.owner, "project-of-jobs", "r").await, Ok(None));
        assert_eq!(book.begin(ana).await, Ok(()));
        assert_eq!(book.settle("connection-of-jobs", &name("one"), None, None).await, Ok(()));
        drop(book);
        let book = JobBook::open(&path, &scribe, JobLimits::default()).unwrap();
        assert!(book.find("connection-of-jobs", &name("one")).await.unwrap().is_some_and(|known| known.arrived));
    });
}
