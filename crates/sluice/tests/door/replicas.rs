//! Two gateways that share a folder of spent tokens. Each token is shown to both at the same moment: one of them takes it, whichever, and the other
//! says that it was exchanged before. One is killed with tokens on the way, and comes back.

use crate::evidence::Evidence;
use crate::program::{Program, free_folder, pause};
use crate::talk::{self, Link, PATIENCE};
use crate::world::World;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Shown to both, before the kill and after it.
const TOKENS: usize = 120;
/// Shown while both run, before one of them is killed under the next.
const TOKENS_BEFORE_KILL: usize = 12;
const STOPPED_WITHIN: Duration = Duration::from_secs(60);
const LIFETIME_SECONDS: u64 = 3_000;

struct Replica {
    folder: PathBuf,
    address: SocketAddr,
}

/// What a gateway says to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Taken,
    ExchangedBefore,
    /// It was killed.
    Nothing,
}

/// Signs for the callers of one issuer.
struct Issuer {
    key: Ed25519KeyPair,
    made: AtomicUsize,
}

impl Issuer {
    fn new() -> Issuer {
        Issuer { key: Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap(), made: AtomicUsize::new(0) }
    }

    fn key_set(&self) -> String {
        let point = encoded(self.key.public_key().as_ref());
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "replicas", "x": point }] }).to_string()
    }

    /// Never shown before.
    fn token(&self) -> String {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({
            "iss": "https://services.demo.sluice.test", "aud": "https://gateway.demo.sluice.test", "sub": "svc-reports",
            "iat": now, "exp": now + LIFETIME_SECONDS, "jti": format!("token-{number}"),
        });
        let head = json!({ "alg": "EdDSA", "kid": "replicas", "typ": "JWT" });
        let text = format!("{}.{}", encoded(head.to_string().as_bytes()), encoded(claims.to_string().as_bytes()));
        format!("{text}.{}", encoded(self.key.sign(text.as_bytes()).as_ref()))
    }
}

impl Replica {
    /// A gateway with a ledger, keys and a state of its own. What it shares is the folder, and the issuer's key.
    fn prepare(name: &str, shared: &Path, issuer: &Issuer) -> Replica {
        let (folder, address, _) = World::prepare(name, &[]);
        std::fs::write(folder.join("services-keys.json"), issuer.key_set()).unwrap();
        let file = folder.join("sluice.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let state = format!("[state]\nshared_replay = \"{}\"\n", shared.display());
        // Each token comes from an address of its own: how often one may ask is another matter.
        let changed = text.replace("[state]\n", &state).replace("[server]\n", "[server]\nproxies = [\"127.0.0.1\"]\n");
        assert!(changed.contains("shared_replay") && changed.contains("proxies"), "{text}");
        std::fs::write(&file, changed).unwrap();
        let (code, stderr) = Program::start(&["init", "--config", folder.to_str().unwrap()]).ended(STOPPED_WITHIN);
        assert_eq!(code, Some(0), "{stderr}");
        Replica { folder, address }
    }

    fn start(&self) -> Program {
        let program = Program::start(&["serve", "--config", self.folder.to_str().unwrap()]);
        program.first_line();
        program
    }

    fn show(&self, token: &str) -> Said {
        say(self.address, &exchange(token), &Barrier::new(1))
    }
}

/// Everything but the last byte is there before both are told to go on.
fn show_to_both(replicas: &[Replica; 2], token: &str) -> [Said; 2] {
    let (barrier, bytes) = (&Barrier::new(2), &exchange(token));
    std::thread::scope(|scope| {
        let shown = replicas.each_ref().map(|replica| scope.spawn(move || say(replica.address, bytes, barrier)));
        shown.map(|thread| thread.join().unwrap())
    })
}

fn say(address: SocketAddr, bytes: &[u8], barrier: &Barrier) -> Said {
    let link = TcpStream::connect(address).and_then(|stream| stream.set_nodelay(true).map(|()| Link::Plain(stream)));
    let (most, last) = bytes.split_at(bytes.len() - 1);
    let link = link.ok().map(|mut link| {
        link.send(most);
        link
    });
    // Whoever is not there keeps nobody waiting.
    barrier.wait();
    let Some(mut link) = link else { return Said::Nothing };
    link.send(last);
    let answers = talk::answers(&link.receive_whole(PATIENCE));
    // It may have been killed in the middle of an answer.
    let said = answers.first().map(|answer| (answer, serde_json::from_slice::<Value>(&answer.body)));
    let Some((answer, Ok(said))) = said else { return Said::Nothing };
    let text = |field: &str| said.get(field).and_then(Value::as_str).unwrap_or_default();
    match answer.status {
        200 if !text("access_token").is_empty() => Said::Taken,
        400 if text("error_description").contains("exchanged before") => Said::ExchangedBefore,
        _ => panic!("{} {}", answer.status, answer.text()),
    }
}

fn exchange(token: &str) -> Vec<u8> {
    static CLIENTS: AtomicUsize = AtomicUsize::new(1);
    let client = CLIENTS.fetch_add(1, Ordering::Relaxed);
    let address = format!("10.0.{}.{}", client / 250, client % 250);
    let form = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&audience=%2F%2Fsluice.demo%2Fpools%2Fdefault\
         &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
         &subject_token={token}&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt"
    );
    let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("X-Forwarded-For", address.as_str())];
    talk::request("POST", "/v1/token", &headers, Some(form.as_bytes()))
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// One of two, whichever; and which.
fn taken_by_one(said: [Said; 2]) -> usize {
    match said {
        [Said::Taken, Said::ExchangedBefore] => 0,
        [Said::ExchangedBefore, Said::Taken] => 1,
        _ => panic!("{said:?}"),
    }
}

/// Both take tokens, and each knows what the other took.
fn know_of_each_other(replicas: &[Replica; 2], issuer: &Issuer) -> Vec<String> {
    let tokens = [issuer.token(), issuer.token()];
    for (which, token) in tokens.iter().enumerate() {
        assert_eq!(replicas[which].show(token), Said::Taken, "{which}");
        assert_eq!(replicas[1 - which].show(token), Said::ExchangedBefore, "{which}");
    }
    tokens.to_vec()
}

/// At the same moment. Says which took each.
fn race(replicas: &[Replica; 2], issuer: &Issuer, shown: &mut Vec<String>) -> [usize; 2] {
    let mut won = [0, 0];
    for _ in 0..TOKENS {
        let token = issuer.token();
        won[taken_by_one(show_to_both(replicas, &token))] += 1;
        shown.push(token);
    }
    won
}

/// Tokens come all the while; after some of them the second gateway is killed. Nobody takes one that the other took.
fn kill_under_load(replicas: &[Replica; 2], issuer: &Issuer, second: Program, shown: &mut Vec<String>) -> usize {
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let counted = &done;
        let worker = scope.spawn(move || {
            let mut tokens = Vec::new();
            loop {
                let token = issuer.token();
                let said = show_to_both(replicas, &token);
                tokens.push(token);
                counted.fetch_add(1, Ordering::Relaxed);
                match said {
                    // It died before it answered: whether it had taken the token, only the folder knows.
                    [Said::Taken | Said::ExchangedBefore, Said::Nothing] => return tokens,
                    _ => drop(taken_by_one(said)),
                }
            }
        });
        while done.load(Ordering::Relaxed) < TOKENS_BEFORE_KILL && !worker.is_finished() {
            pause(Duration::from_millis(1));
        }
        drop(second.kill());
        let tokens = worker.join().unwrap();
        let count = tokens.len();
        shown.extend(tokens);
        count
    })
}

#[test]
fn a_token_is_exchanged_once_among_replicas() {
    let (shared, issuer) = (free_folder("replicas-shared"), Issuer::new());
    let replicas = ["replica-one", "replica-two"].map(|name| Replica::prepare(name, &shared, &issuer));
    let [first, second] = replicas.each_ref().map(Replica::start);
    let mut shown = know_of_each_other(&replicas, &issuer);
    let before = race(&replicas, &issuer, &mut shown);
    let on_the_way = kill_under_load(&replicas, &issuer, second, &mut shown);
    let second = replicas[1].start();
    for token in &shown {
        assert_eq!(show_to_both(&replicas, token), [Said::ExchangedBefore; 2], "shown before the kill");
    }
    shown.extend(know_of_each_other(&replicas, &issuer));
    let after = race(&replicas, &issuer, &mut shown);
    println!("{} tokens; taken by the one and the other: {before:?}, {after:?} after the kill; {on_the_way} around it", shown.len());
    for (program, replica) in [first, second].into_iter().zip(&replicas) {
        let (code, stderr) = program.stop(STOPPED_WITHIN);
        assert_eq!(code, Some(0), "{stderr}");
        assert_eq!(Evidence::read(&replica.folder).verify(), None);
    }
    for folder in replicas.iter().map(|replica| &replica.folder).chain([&shared]) {
        drop(std::fs::remove_dir_all(folder));
    }
}
