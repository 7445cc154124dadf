//! Gateway and warehouse as processes of their own, so that each can be measured, killed or led elsewhere by itself; and what changes while rows leave.

use crate::evidence::Evidence;
use crate::invariants;
use crate::policies::changed;
use crate::program::{Program, pause};
use crate::storage_wire::api::ReadSession;
use crate::storage_wire::{CompressionCodec, FORMS, Form, Storage, api, bytes, options, rows, session};
use crate::talk::{self, Answer};
use crate::world::{API, World, address, ask};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tonic::{Code, Status};

const WAREHOUSE_USER: &str = "gateway@acme-prod.iam.gserviceaccount.com";
const WAREHOUSE_TOKEN: &str = "fedcba9876543210fedcba9876543210";
/// Signs what comes in force later.
const SIGNER_SEED: [u8; 32] = [7; 32];
const STOPPED_WITHIN: Duration = Duration::from_secs(90);
/// A gateway looks every second at what is in force.
pub const SEEN_WITHIN: Duration = Duration::from_millis(2_500);
/// What sockets and hands held when a change came in force, and some.
const MESSAGES_AFTER_MAX: usize = 24;
const NO_STREAMS: &str = "
@id(\"no-streams\")
@reason(\"no rows leave by streams any more\")
forbid (principal, action == Action::\"storage.readRows\", resource);
";
const PLAIN: Form = Form::Arrow(CompressionCodec::CompressionUnspecified);

pub struct Apart {
    pub folder: PathBuf,
    pub plain: SocketAddr,
    pub gateway: Option<Program>,
    pub warehouse_storage: SocketAddr,
    pub warehouse_rest: SocketAddr,
    tokens: BTreeMap<String, String>,
    warehouse: Program,
}

impl Apart {
    /// The gateway is not started: its configuration may be changed before.
    pub fn prepare(name: &str, callers: &[&str]) -> Apart {
        let (folder, plain, tokens) = World::prepare(name, callers);
        let warehouse = Program::start(&["sandbox", "--port", "0", "--admin", "--token", &format!("{WAREHOUSE_TOKEN}={WAREHOUSE_USER}")]);
        let (url, warehouse_storage) = (warehouse.first_line(), address(&format!("http://{}", warehouse.line(1))));
        std::fs::write(folder.join("warehouse.token"), WAREHOUSE_TOKEN).unwrap();
        let tokens = callers.iter().map(|caller| (*caller).to_owned()).zip(tokens).collect();
        let warehouse_rest = address(&url);
        let apart = Apart { folder, plain, gateway: None, warehouse_storage, warehouse_rest, tokens, warehouse };
        apart.set("endpoint", &format!("\"{url}\""));
        apart.set("storage_endpoint", &format!("\"http://{warehouse_storage}\""));
        let signer = Ed25519KeyPair::from_seed_unchecked(&SIGNER_SEED).unwrap();
        apart.configure("[policy.keys]\n", &format!("[policy.keys]\nana = \"{}\"\n", STANDARD.encode(signer.public_key())));
        apart
    }

    pub fn start(name: &str, callers: &[&str]) -> Apart {
        let mut apart = Apart::prepare(name, callers);
        apart.serve();
        apart
    }

    pub fn serve(&mut self) {
        let gateway = Program::start(&["serve", "--config", self.folder.to_str().unwrap()]);
        gateway.first_line();
        self.gateway = Some(gateway);
    }

    pub fn running(&self) -> &Program {
        self.gateway.as_ref().unwrap()
    }

    pub fn token(&self, caller: &str) -> &str {
        &self.tokens[caller]
    }

    pub fn storage(&self, caller: &str, mark: &str) -> Storage<'static> {
        Storage::at(self.plain, self.token(caller), mark)
    }

    pub fn query(&self, caller: &str, statement: &str) -> Answer {
        query(self.plain, self.token(caller), statement)
    }

    /// Past the gateway.
    pub fn query_direct(&self, statement: &str) -> Answer {
        query(self.warehouse_rest, WAREHOUSE_TOKEN, statement)
    }

    /// What an administrator of the warehouse may do: plan faults.
    pub fn administer(&self, verb: &str, path: &str, body: Option<&Value>) -> Answer {
        let bearer = format!("Bearer {WAREHOUSE_TOKEN}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        ask(self.warehouse_rest, &talk::request(verb, path, &headers, body.map(|body| body.to_string().into_bytes()).as_deref()))
    }

    pub fn direct(&self) -> Storage<'static> {
        Storage::at(self.warehouse_storage, WAREHOUSE_TOKEN, "door/direct")
    }

    /// One line of the configuration.
    pub fn set(&self, name: &str, value: &str) {
        let text = std::fs::read_to_string(self.folder.join("sluice.toml")).unwrap();
        let before = text.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap().to_owned();
        self.configure(&before, &format!("{name} = {value}"));
    }

    pub fn configure(&self, before: &str, after: &str) {
        let file = self.folder.join("sluice.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text.matches(before).count(), 1, "{before}");
        std::fs::write(&file, text.replace(before, after)).unwrap();
    }

    /// Stops both, judges what is left, and gives the records.
    pub fn finish(mut self) -> Evidence {
        let (code, errors) = self.gateway.take().unwrap().stop(STOPPED_WITHIN);
        assert_eq!(code, Some(0), "{errors}");
        drop(self.warehouse.kill());
        let evidence = Evidence::read(&self.folder);
        let mut wrong = invariants::of_ends(&evidence.records);
        wrong.extend(evidence.verify());
        let secrets: Vec<String> = self.tokens.into_values().chain([WAREHOUSE_TOKEN.to_owned()]).collect();
        wrong.extend(invariants::of_leaks(&[], &errors, &self.folder, &secrets));
        assert!(wrong.is_empty(), "{} findings\n{}", wrong.len(), wrong.join("\n"));
        drop(std::fs::remove_dir_all(&self.folder));
        evidence
    }

    pub fn run(&self, arguments: &[&str]) {
        let ran =
            Command::new(env!("CARGO_BIN_EXE_sluice")).args(arguments).args(["--config", self.folder.to_str().unwrap()]).output().unwrap();
        assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    /// Another set in the place of the one in force, signed by Ana.
    pub fn activate(&self, set: &Path) {
        let (text, signature) = (self.folder.join("activation.txt"), self.folder.join("activation.sig"));
        let (set, draft, signed) = (set.to_str().unwrap(), text.to_str().unwrap(), signature.to_str().unwrap());
        // A draft is never written over.
        drop(std::fs::remove_file(&text));
        self.run(&["policy", "activate", set, "--draft", draft, "--by", "ana", "--reason", "a change while rows leave"]);
        let signer = Ed25519KeyPair::from_seed_unchecked(&SIGNER_SEED).unwrap();
        std::fs::write(&signature, signer.sign(&std::fs::read(&text).unwrap()).as_ref()).unwrap();
        self.run(&["policy", "activate", set, "--signed", draft, "--signature", signed]);
        // The next one is written anew.
        for file in [&text, &signature] {
            std::fs::remove_file(file).unwrap();
        }
    }
}

fn query(address: SocketAddr, token: &str, statement: &str) -> Answer {
    let body = json!({ "query": statement, "useLegacySql": false, "timeoutMs": 20_000 }).to_string();
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    ask(address, &talk::request("POST", &format!("{API}/queries"), &headers, Some(body.as_bytes())))
}

/// A stream of millions of rows, of which a client takes the first message, waits until the change is in force, and reads on.
fn changed_under_way(name: &str, change: impl FnOnce(&Apart)) -> (Apart, ReadSession, Status) {
    let apart = Apart::start(name, &["report-job"]);
    let storage = apart.storage("report-job", "door/under-way");
    let opened = storage.create(events(&["id", "note"])).unwrap();
    let stream = &opened.streams[0].name;
    let mut coming = storage.begin(stream, 0).unwrap();
    assert!(storage.next(&mut coming).unwrap().is_some());
    change(&apart);
    pause(SEEN_WITHIN);
    let mut came = 1;
    let status = loop {
        match storage.next(&mut coming) {
            Ok(Some(_)) => came += 1,
            Ok(None) => panic!("the stream ended as if nothing had happened"),
            Err(status) => break status,
        }
    };
    println!("{name}: {came} messages, then {status}");
    assert!(came <= MESSAGES_AFTER_MAX, "{came} messages came");
    (apart, opened, status)
}

/// The generated table, as one stream of half of its rows.
pub fn events(fields: &[&str]) -> api::CreateReadSessionRequest {
    let mut request = session("bench", "events", PLAIN);
    options(&mut request).selected_fields = fields.iter().map(|field| (*field).to_owned()).collect();
    request.max_stream_count = 2;
    request
}

#[test]
fn a_set_that_forbids_ends_what_is_under_way() {
    let (apart, before, status) = changed_under_way("apart-forbidden", |apart| {
        let set = changed(&[], &apart.folder.join("policy"));
        std::fs::write(set.path().join("later.cedar"), NO_STREAMS).unwrap();
        apart.activate(set.path());
    });
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    let storage = apart.storage("report-job", "door/after");
    for session in [before, storage.create(events(&["id"])).unwrap()] {
        assert_eq!(storage.messages(&session.streams[0].name, 0).unwrap_err().code(), Code::PermissionDenied);
    }
    let evidence = apart.finish();
    assert_eq!(evidence.ends("door/under-way"), ["completed", "failed policy"]);
}

#[test]
fn a_set_with_another_mask_ends_what_is_under_way() {
    let (apart, before, status) = changed_under_way("apart-masked", |apart| {
        let change =
            ("acme-prod.clinic.patients.address.street\"]", "acme-prod.clinic.patients.address.street\", \"acme-prod.bench.events.note\"]");
        let set = changed(&[change], &apart.folder.join("policy"));
        apart.activate(set.path());
    });
    hidden_from_now_on(apart, before, &status);
}

#[test]
fn a_label_that_somebody_sets_ends_what_is_under_way() {
    let (apart, before, status) = changed_under_way("apart-labelled", |apart| {
        apart.run(&["labels", "set", "--label", "home", "--by", "ana", "--reason", "seen in a review", "acme-prod.bench.events.note"]);
    });
    hidden_from_now_on(apart, before, &status);
}

/// Who asks again, also for a stream of the old session, gets what is so now.
fn hidden_from_now_on(apart: Apart, before: ReadSession, status: &Status) {
    assert!(status.message().starts_with("rows are withheld"), "{status}");
    let storage = apart.storage("report-job", "door/after");
    for session in [before, storage.create(events(&["id", "note"])).unwrap()] {
        let mut coming = storage.begin(&session.streams[0].name, 0).unwrap();
        let first = storage.next(&mut coming).unwrap().unwrap();
        assert!(!String::from_utf8_lossy(bytes(&first)).contains("event "), "a note is shown");
        let found = rows(&session, &[first]);
        assert!(found.len() > 100 && found.iter().all(|row| row["f"][1]["v"] == ""), "{}", found[0]);
    }
    pause(SEEN_WITHIN);
    let evidence = apart.finish();
    let ends = evidence.ends("door/under-way");
    assert!(ends.len() == 2 && ends[0] == "completed" && ends[1].starts_with("failed"), "{ends:?}");
}

#[test]
fn a_halt_of_everybody_ends_what_is_under_way() {
    let (apart, _, status) = changed_under_way("apart-halted", |apart| {
        apart.run(&["halt", "--everyone", "--by", "ana", "--reason", "masks are wrong since noon"]);
    });
    assert!(status.code() == Code::PermissionDenied && status.message().contains("halted"), "{status}");
    assert_eq!(apart.finish().ends("door/under-way"), ["completed", "failed policy"]);
}

/// TLS in front of something that speaks none: with the demo's certificate, HTTP/2 agreed on.
fn encrypted(folder: &Path, to: SocketAddr) -> (Runtime, SocketAddr) {
    let certificates = CertificateDer::pem_file_iter(folder.join("tls/certificate.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(folder.join("tls/key.pem")).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut configuration = builder.with_single_cert(certificates, key).unwrap();
    configuration.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(configuration));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let (Ok(mut near), Ok(mut far)) = (acceptor.accept(stream).await, TcpStream::connect(to).await) else { return };
                assert_eq!(near.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
                drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
            });
        }
    });
    (runtime, address)
}

#[test]
fn the_warehouse_is_read_over_tls_or_not_at_all() {
    let mut apart = Apart::prepare("apart-tls", &["report-job"]);
    let (_runtime, tls) = encrypted(&apart.folder, apart.warehouse_storage);
    apart.set("storage_endpoint", &format!("\"https://localhost:{}\"\ncertificates_file = \"tls/ca.pem\"", tls.port()));
    apart.serve();
    let (through, direct) = (apart.storage("report-job", "door/tls"), apart.direct());
    for form in FORMS {
        let [(asked, came), (real, sent)] = [&through, &direct].map(|storage| {
            let opened = storage.create(session("clinic", "logins", form)).unwrap();
            let messages = storage.messages(&opened.streams[0].name, 0).unwrap();
            (opened, messages)
        });
        assert_eq!(asked.schema, real.schema);
        assert!(!came.is_empty() && came.iter().map(bytes).eq(sent.iter().map(bytes)), "{form:?}");
    }
    // Whom nobody vouches for is told nothing.
    let (code, errors) = apart.gateway.take().unwrap().stop(STOPPED_WITHIN);
    assert_eq!(code, Some(0), "{errors}");
    let stranger = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(apart.folder.join("tls/stranger.pem"), stranger.cert.pem()).unwrap();
    apart.set("certificates_file", "\"tls/stranger.pem\"");
    apart.serve();
    let status = apart.storage("report-job", "door/stranger").create(session("clinic", "logins", PLAIN)).unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    let evidence = apart.finish();
    assert_eq!(evidence.ends("door/stranger"), ["failed upstream"]);
    assert_eq!(evidence.ends("door/tls").len(), 2 * FORMS.len());
}
