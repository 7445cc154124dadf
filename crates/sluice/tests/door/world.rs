//! The program as it is run, with its warehouse behind it. When it is stopped, its evidence is compared with what the warehouse saw.

use crate::evidence::{Evidence, Record};
use crate::invariants;
use crate::program::{Program, free_folder, pause};
use crate::talk::{self, Answer, Link};
use rustls::RootCertStore;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub const PROJECT: &str = "acme-prod";
/// Of the REST API, below an address.
pub const API: &str = "/bigquery/v2/projects/acme-prod";
pub const CALLERS: [&str; 5] = ["analyst", "etl-nightly", "report-job", "stranger", "support-agent"];
const DIRECT: &str = "door/direct";
/// An agent may ask ten times in a second, everybody else fifty times.
const PAUSE_OF_AGENTS: Duration = Duration::from_millis(115);
const PAUSE: Duration = Duration::from_millis(25);
/// For jobs that are still followed when a test is over.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
/// Within it a gateway that has answered everything has asked what it still had to.
const QUIET: Duration = Duration::from_millis(300);

pub struct World {
    pub folder: PathBuf,
    pub plain: SocketAddr,
    pub encrypted: SocketAddr,
    pub roots: RootCertStore,
    program: Option<Program>,
    warehouse: SocketAddr,
    /// Its Storage API.
    pub warehouse_storage: SocketAddr,
    pub warehouse_token: String,
    tokens: Mutex<BTreeMap<String, String>>,
    last_asked: Mutex<BTreeMap<String, Instant>>,
    /// Who was sent what.
    told: Mutex<Vec<(String, Vec<u8>)>>,
    marks: AtomicUsize,
    name: String,
    /// Its policy has limits that make callers wait.
    is_paced: bool,
    /// Requests that the warehouse has forgotten since.
    taken_over: Mutex<Vec<Value>>,
}

impl World {
    pub fn start(name: &str) -> World {
        World::start_with(name, &[])
    }

    pub fn start_with(name: &str, more: &[&str]) -> World {
        let folder = free_folder(name);
        let program = Program::start(&[&["demo", "--no-tour", "--dir", folder.to_str().unwrap()], more].concat());
        program.wait_for_file(&folder.join("demo.json"));
        let ready: Value = serde_json::from_slice(&std::fs::read(folder.join("demo.json")).unwrap()).unwrap();
        let text = |pointer: &str| ready.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        World {
            plain: address(&text("/gateway/plain")),
            encrypted: address(&text("/gateway/rest")),
            roots: talk::roots(&folder.join("tls/ca.pem")),
            program: Some(program),
            warehouse: address(&text("/warehouse/rest")),
            warehouse_storage: text("/warehouse/grpc").parse().unwrap(),
            warehouse_token: text("/warehouse/token"),
            tokens: Mutex::default(),
            last_asked: Mutex::default(),
            told: Mutex::default(),
            marks: AtomicUsize::new(0),
            name: name.to_owned(),
            is_paced: true,
            taken_over: Mutex::default(),
            folder,
        }
    }

    /// With a policy that lets everybody ask as often as they like.
    pub fn start_unpaced(name: &str, policy: &Path) -> World {
        let mut world = World::start_with(name, &["--policy", policy.to_str().unwrap()]);
        world.is_paced = false;
        world
    }

    /// What a demo leaves when it ends, for a gateway that is started on it: its folder, its plain address, and tokens of these callers.
    pub fn prepare(name: &str, callers: &[&str]) -> (PathBuf, SocketAddr, Vec<String>) {
        let [port, tls_port] = quiet_ports().map(|port| port.to_string());
        let mut world = World::start_with(name, &["--port", &port, "--tls-port", &tls_port]);
        let tokens = callers.iter().map(|caller| world.token(caller)).collect();
        let (code, stderr) = world.program.take().unwrap().stop(SETTLED_WITHIN);
        assert_eq!(code, Some(0), "{stderr}");
        (world.folder.clone(), world.plain, tokens)
    }

    /// A token of the gateway's for this caller, as Google's libraries get one.
    pub fn token(&self, caller: &str) -> String {
        let mut tokens = self.tokens.lock().unwrap();
        if let Some(token) = tokens.get(caller) {
            return token.clone();
        }
        let token = self.fresh_token(caller);
        tokens.insert(caller.to_owned(), token.clone());
        token
    }

    fn fresh_token(&self, caller: &str) -> String {
        let answer = self.exchange(caller);
        answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{caller} gets no token: {}", answer.text())).to_owned()
    }

    /// What this caller is answered who asks for a token.
    pub fn exchange(&self, caller: &str) -> Answer {
        let file = std::fs::read(self.folder.join(format!("callers/{caller}.json"))).unwrap();
        let file: Value = serde_json::from_slice(&file).unwrap();
        let source = &file["credential_source"];
        let url = source["url"].as_str().unwrap();
        let headers: Vec<(&str, &str)> =
            source["headers"].as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
        let path = format!("/{}", url.splitn(4, '/').nth(3).unwrap());
        let subject = ask(address(url), &talk::request("GET", &path, &headers, None)).json();
        let subject = subject["token"].as_str().unwrap();
        let form = format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&audience=%2F%2Fsluice.demo%2Fpools%2Fdefault\
             &scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fbigquery&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
             &subject_token={subject}&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt"
        );
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        let answer = ask(self.plain, &talk::request("POST", "/v1/token", &headers, Some(form.as_bytes())));
        self.tell(caller, &answer);
        answer
    }

    pub fn call(&self, caller: &str, verb: &str, path: &str, body: Option<&Value>) -> Answer {
        let bytes = body.map(|body| body.to_string().into_bytes());
        let headers: &[(&str, &str)] = if body.is_some() { &[("Content-Type", "application/json")] } else { &[] };
        self.call_with(caller, verb, path, headers, bytes.as_deref())
    }

    pub fn call_with(&self, caller: &str, verb: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        self.pace(caller);
        self.call_now(caller, verb, path, headers, body)
    }

    /// However much was asked just before.
    pub fn call_at_once(&self, caller: &str, verb: &str, path: &str, body: &Value) -> Answer {
        self.call_now(caller, verb, path, &[("Content-Type", "application/json")], Some(body.to_string().as_bytes()))
    }

    fn call_now(&self, caller: &str, verb: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        let (mark, bearer) = (self.mark(), format!("Bearer {}", self.token(caller)));
        let all = [&[("Authorization", bearer.as_str()), ("User-Agent", &mark)], headers].concat();
        let mut answer = ask(self.plain, &talk::request(verb, path, &all, body));
        answer.mark = mark;
        self.tell(caller, &answer);
        answer
    }

    /// What a request carries so that its records can be found.
    pub fn mark(&self) -> String {
        format!("door/{}", self.marks.fetch_add(1, Ordering::Relaxed))
    }

    /// Bytes that this caller was sent.
    pub fn tell(&self, caller: &str, answer: &Answer) {
        let mut bytes: Vec<u8> = answer.headers.iter().flat_map(|(name, value)| format!("{name}: {value}\n").into_bytes()).collect();
        bytes.extend_from_slice(&answer.body);
        // A token is given to whom it belongs, once, in this one answer.
        let is_grant = answer.body.windows(14).any(|window| window == b"\"access_token\"");
        if !is_grant {
            self.told.lock().unwrap().push((caller.to_owned(), bytes));
        }
    }

    pub fn tell_bytes(&self, caller: &str, bytes: Vec<u8>) {
        self.told.lock().unwrap().push((caller.to_owned(), bytes));
    }

    pub fn link(&self) -> Link {
        Link::plain(self.plain)
    }

    pub fn encrypted_link(&self, protocol: &[u8]) -> Link {
        Link::tls(self.encrypted, self.roots.clone(), protocol)
    }

    /// The warehouse itself, past the gateway.
    pub fn direct(&self, verb: &str, path: &str, body: Option<&Value>) -> Answer {
        let bearer = format!("Bearer {}", self.warehouse_token);
        let bytes = body.map(|body| body.to_string().into_bytes());
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json"), ("User-Agent", DIRECT)];
        ask(self.warehouse, &talk::request(verb, path, &headers, bytes.as_deref()))
    }

    /// The first cell that a statement gives at the warehouse.
    pub fn direct_cell(&self, statement: &str) -> String {
        let body = json!({ "query": statement, "useLegacySql": false });
        let answer = self.direct("POST", &format!("{API}/queries"), Some(&body)).json();
        answer.pointer("/rows/0/f/0/v").and_then(Value::as_str).unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    pub fn warehouse_log(&self) -> Vec<Value> {
        [self.taken_over.lock().unwrap().clone(), self.remembered()].concat()
    }

    /// The warehouse remembers its last 10,000 requests: whoever asks more takes them over in between, while nobody asks.
    pub fn take_over_log(&self) {
        let mut remembered = self.remembered();
        loop {
            pause(QUIET);
            let later = self.remembered();
            if later.len() == remembered.len() {
                break;
            }
            remembered = later;
        }
        self.direct("DELETE", "/sandbox/requests", None);
        self.taken_over.lock().unwrap().extend(remembered);
    }

    /// What another program asked the warehouse meanwhile, which is no caller's. All that was asked before is kept.
    pub fn aside<T>(&self, work: impl FnOnce() -> T) -> (T, Vec<Value>) {
        self.take_over_log();
        let done = work();
        let asked = self.remembered();
        self.direct("DELETE", "/sandbox/requests", None);
        (done, asked)
    }

    fn remembered(&self) -> Vec<Value> {
        let log = self.direct("GET", "/sandbox/requests", None).json();
        log["requests"].as_array().unwrap().iter().filter(|entry| !is_direct(entry)).cloned().collect()
    }

    pub fn fault(&self, fault: &Value) {
        let answer = self.direct("POST", "/sandbox/faults", Some(fault));
        assert!(answer.status < 300, "{fault}: {}", answer.text());
    }

    /// How many planned faults nobody has met, and none is left behind.
    pub fn clear_faults(&self) -> u64 {
        let waiting = self.direct("GET", "/sandbox/faults", None).json()["waiting"].as_u64().unwrap();
        self.direct("DELETE", "/sandbox/faults", None);
        waiting
    }

    /// Memory that the gateway and its warehouse hold.
    pub fn resident_bytes(&self) -> u64 {
        self.program.as_ref().unwrap().resident_bytes()
    }

    /// Stops the gateway, judges all that it did, and gives its records.
    pub fn finish(mut self) -> Evidence {
        self.end()
    }

    fn end(&mut self) -> Evidence {
        let program = self.program.take().unwrap();
        self.clear_faults();
        let log = self.warehouse_log();
        let (code, stderr) = program.stop(SETTLED_WITHIN);
        assert_eq!(code, Some(0), "{}: {stderr}", self.name);
        let evidence = Evidence::read(&self.folder);
        let mut wrong = invariants::of_warehouse_log(&log, &evidence.records);
        wrong.extend(invariants::of_ends(&evidence.records));
        wrong.extend(evidence.verify());
        wrong.extend(invariants::of_lines(&stderr));
        let mut secrets: Vec<String> = self.tokens.lock().unwrap().values().cloned().collect();
        secrets.push(self.warehouse_token.clone());
        wrong.extend(invariants::of_leaks(&self.told.lock().unwrap(), &stderr, &self.folder, &secrets));
        assert!(wrong.is_empty(), "{}: {} findings\n{}", self.name, wrong.len(), wrong.join("\n"));
        drop(std::fs::remove_dir_all(&self.folder));
        evidence
    }

    pub fn pace(&self, caller: &str) {
        if !self.is_paced {
            return;
        }
        let gap = if caller == "support-agent" { PAUSE_OF_AGENTS } else { PAUSE };
        let mut last_asked = self.last_asked.lock().unwrap();
        let due = last_asked.get(caller).map_or_else(Instant::now, |last| (*last + gap).max(Instant::now()));
        last_asked.insert(caller.to_owned(), due);
        drop(last_asked);
        pause(due.saturating_duration_since(Instant::now()));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.program.is_some() && !std::thread::panicking() {
            self.end();
        }
    }
}

/// The records that one call left, by its mark.
pub fn of_mark<'a>(records: &'a [Record], mark: &str) -> Vec<&'a Record> {
    records.iter().filter(|record| record.mark() == Some(mark)).collect()
}

pub fn ask(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut link = Link::plain(address);
    link.send(bytes);
    let (back, closed) = link.receive(talk::PATIENCE);
    let mut answers = talk::answers(&back);
    assert!(closed && answers.len() == 1, "closed {closed}: {}", String::from_utf8_lossy(&back));
    answers.remove(0)
}

/// `http://127.0.0.1:5/x`.
pub fn address(url: &str) -> SocketAddr {
    let place = url.split("://").nth(1).unwrap().split('/').next().unwrap();
    place.replace("localhost", "127.0.0.1").parse().unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// Of a gateway that goes and comes back: nobody who asks the system for any free port is given these meanwhile.
fn quiet_ports() -> [u16; 2] {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Below those of the system. Another test, which is another process, begins elsewhere; so does the next gateway of this one, while the first is away.
    let apart = GIVEN.fetch_add(1, Ordering::Relaxed) % 2 * 5_000;
    let first = 20_000 + apart + u16::try_from(std::process::id() % 2_500).unwrap() * 2;
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let port = (first..32_000).step_by(2).find(|port| is_free(*port) && is_free(port + 1)).unwrap();
    [port, port + 1]
}

/// What a test asked the warehouse by itself.
fn is_direct(entry: &Value) -> bool {
    entry.pointer("/headers/user-agent").and_then(Value::as_str) == Some(DIRECT)
}
