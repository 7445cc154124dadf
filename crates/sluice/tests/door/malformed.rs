//! The table of hostile requests, sent to the program over plain and encrypted connections.

use crate::hostile::{Case, Sender};
use crate::talk::{self, Link};
use crate::world::{API, World};
use std::time::Duration;

/// A connection that is kept open answers nothing more after this; the machine may be busy.
const SILENCE: Duration = Duration::from_millis(250);
const AT_ONCE: usize = 8;

#[derive(Clone, Copy)]
enum Way {
    Encrypted,
    Plain,
}

/// Every case on a connection of its own; the next honest request on a fresh one is served.
fn try_all(name: &str, way: Way) {
    let world = World::start(name);
    let sender = Sender::new(&world.token("analyst"));
    let cases = sender.cases();
    assert!(cases.len() >= 170, "{} cases", cases.len());
    let before = world.warehouse_log().len();
    let mut wrong = Vec::new();
    for batch in cases.chunks(AT_ONCE) {
        let tried = std::thread::scope(|scope| {
            let running: Vec<_> = batch.iter().map(|case| scope.spawn(|| try_case(&world, case, way))).collect();
            running.into_iter().map(|running| running.join().unwrap()).collect::<Vec<_>>()
        });
        wrong.extend(tried.into_iter().filter_map(Result::err));
        let after = world.warehouse_log().len();
        if after != before {
            let names: Vec<&str> = batch.iter().map(|case| case.name).collect();
            panic!("the warehouse was asked by one of {names:?}: {:?}", world.warehouse_log().last());
        }
        let honest = world.call("stranger", "GET", &format!("{API}/datasets"), None);
        assert_eq!(honest.class(), "403 accessDenied");
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert_eq!(world.call("analyst", "GET", &format!("{API}/datasets"), None).status, 200);
}

fn try_case(world: &World, case: &Case, way: Way) -> Result<(), String> {
    let mut link = match way {
        Way::Encrypted => world.encrypted_link(b"http/1.1"),
        Way::Plain => Link::plain(world.plain),
    };
    link.send(&case.bytes);
    let (back, closed) = if case.statuses.is_empty() { waited(&mut link) } else { link.receive(SILENCE) };
    let answers = talk::answers(&back);
    let found: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    for answer in &answers {
        world.tell("analyst", answer);
    }
    // What is refused as ambiguous says so.
    let is_contradiction = case.name.starts_with("TE, then");
    let says_so = !is_contradiction || back.windows(17).any(|window| window == b"Transfer-Encoding");
    if found == case.statuses && says_so && (closed || !is_contradiction) {
        return Ok(());
    }
    let last = answers.last().map(talk::Answer::text).unwrap_or_default();
    Err(format!("{}: {found:?} for {:?}, closed {closed}: {last}", case.name, case.statuses))
}

/// For an answer that must not come.
fn waited(link: &mut Link) -> (Vec<u8>, bool) {
    match link.receive_some(SILENCE) {
        None => (Vec::new(), false),
        Some(part) => (part.clone(), part.is_empty()),
    }
}

#[test]
fn hostile_requests_on_plain_connections_do_nothing() {
    try_all("hostile-plain", Way::Plain);
}

#[test]
fn hostile_requests_on_encrypted_connections_do_nothing() {
    try_all("hostile-encrypted", Way::Encrypted);
}

/// One connection, many requests: each answered once, in its order, with what belongs to it.
#[test]
fn a_connection_that_is_kept_open_answers_each_request_once() {
    let world = World::start("pipelined");
    let sender = Sender::new(&world.token("stranger"));
    let get = sender.with("GET /projects/acme-prod/datasets HTTP/1.1", "", "");
    let nothing = sender.with("GET /nothing HTTP/1.1", "", "");
    let body = r#"{"query":"SELECT 1","useLegacySql":false}"#;
    let kind = "Content-Type: application/json\r\n";
    let post = sender.with("POST /projects/acme-prod/queries HTTP/1.1", &format!("{kind}Content-Length: {}\r\n", body.len()), body);
    let (first, second) = body.split_at(5);
    let chunks = format!("5;x=y\r\n{first}\r\n{:X}\r\n{second}\r\n0\r\nTrailer: x\r\n\r\n", second.len());
    let chunked = sender.with("POST /projects/acme-prod/queries HTTP/1.1", &format!("{kind}Transfer-Encoding: chunked\r\n"), &chunks);
    let all = [&get, &post, &chunked, &nothing, &get].map(String::as_str).concat();
    for piece in [all.len(), 1_000, 7] {
        let mut link = world.link();
        for part in all.as_bytes().chunks(piece) {
            assert!(link.send(part));
        }
        let (back, _) = link.receive(SILENCE);
        let statuses: Vec<u16> = talk::answers(&back).iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [403, 403, 403, 404, 403], "pieces of {piece}");
    }
}
