//! HTTP/2: requests that are none, and floods. Memory stays bounded, honest requests are answered meanwhile, nothing reaches the warehouse.

use crate::frames::{
    self, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RESET, SETTINGS, WINDOW_UPDATE, frame, head, literal,
};
use crate::talk::Link;
use crate::world::{API, World};
use std::time::Duration;

/// What a flood may cost at most, beside what is there.
const GROWTH_BYTES_MAX: u64 = 64 << 20;
const SILENCE: Duration = Duration::from_millis(300);

/// A name, headers, a body, and what comes of it.
type Case = (&'static str, Vec<u8>, Option<&'static [u8]>, &'static str);

fn bearer(world: &World, caller: &str) -> String {
    format!("Bearer {}", world.token(caller))
}

fn path() -> String {
    format!("{API}/datasets")
}

/// What came for stream 1: a status, a reset, or the end of everything.
fn outcome(link: &mut Link) -> String {
    let (came, closed) = frames::receive(link);
    let status = came.iter().find(|frame| frame.kind == HEADERS && frame.stream == 1).and_then(|frame| frames::status(&frame.payload));
    let is_reset = came.iter().any(|frame| frame.kind == RESET && frame.stream == 1);
    let is_over = closed || came.iter().any(|frame| frame.kind == GOAWAY);
    match (status, is_reset, is_over) {
        (Some(status), ..) => status.to_string(),
        (None, true, _) => "reset".to_owned(),
        (None, false, true) => "closed".to_owned(),
        (None, false, false) => format!("nothing but {came:?}"),
    }
}

/// Pseudo-headers, headers, and a body: each of them is no request, or one that is refused.
fn malformed(bearer: &str) -> Vec<Case> {
    let path = path();
    let base = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", path.as_str()), ("authorization", bearer)];
    let with = |headers: &[(&str, &str)]| head(&[&base, headers].concat());
    let only = |headers: &[(&str, &str)]| head(headers);
    let post = |headers: &[(&str, &str)]| {
        let mut base = base;
        base[0].1 = "POST";
        head(&[&base[..], &[("content-type", "application/json")], headers].concat())
    };
    let changed = |place: usize, value: &'static str| {
        let mut base = base;
        base[place].1 = value;
        head(&base)
    };
    vec![
        ("an honest one", with(&[]), None, "403"),
        ("connection", with(&[("connection", "close")]), None, "reset"),
        ("keep-alive", with(&[("keep-alive", "1")]), None, "reset"),
        ("proxy-connection", with(&[("proxy-connection", "close")]), None, "reset"),
        ("transfer-encoding", with(&[("transfer-encoding", "chunked")]), None, "reset"),
        ("upgrade", with(&[("upgrade", "h2c")]), None, "reset"),
        ("te of something", with(&[("te", "gzip")]), None, "reset"),
        ("capitals in a name", with(&[("X-A", "b")]), None, "reset"),
        ("a space in a name", with(&[("x a", "b")]), None, "reset"),
        ("a line break in a value", with(&[("x-a", "b\r\nauthorization: c")]), None, "reset"),
        ("NUL in a value", with(&[("x-a", "b\0c")]), None, "reset"),
        ("a pseudo-header behind", with(&[("x-a", "b"), (":path", "/other")]), None, "reset"),
        ("an unknown pseudo-header", only(&[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":magic", "1")]), None, "reset"),
        ("a status in a request", only(&[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":status", "200")]), None, "reset"),
        ("two paths", only(&[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":path", "/y")]), None, "reset"),
        ("no path", only(&[(":method", "GET"), (":scheme", "http"), (":authority", "localhost")]), None, "reset"),
        ("no verb", only(&[(":scheme", "http"), (":path", "/x"), (":authority", "localhost")]), None, "reset"),
        ("no scheme", only(&[(":method", "GET"), (":path", "/x"), (":authority", "localhost")]), None, "reset"),
        ("an empty path", changed(3, ""), None, "reset"),
        ("a path with a line break", changed(3, "/x\r\nHost: y"), None, "reset"),
        ("a path with a space", changed(3, "/x y"), None, "reset"),
        ("a path without a slash", changed(3, "x"), None, "reset"),
        ("a whole address for a path", changed(3, "http://localhost/x"), None, "reset"),
        ("dots", changed(3, "/bigquery/v2/projects/../datasets"), None, "400"),
        ("encoded dots", changed(3, "/bigquery/v2/projects/%2e%2e/datasets"), None, "400"),
        ("another scheme", changed(1, "ftp"), None, "400"),
        ("another host beside", with(&[("host", "other")]), None, "400"),
        ("two tokens", with(&[("authorization", "Bearer other")]), None, "400"),
        ("CONNECT", only(&[(":method", "CONNECT"), (":authority", "bigquery.googleapis.com:443"), ("authorization", bearer)]), None, "404"),
        ("an override", with(&[("x-http-method-override", "DELETE")]), None, "400"),
        ("a script", changed(3, "/bigquery/v2/projects/acme-prod/datasets?callback=f"), None, "400"),
        ("a body of GET", with(&[("content-type", "application/json")]), Some(b"{\"a\":1}"), "400"),
        ("a length that is too large", post(&[("content-length", "40")]), Some(b"{}"), "reset"),
        ("a length that is too small", post(&[("content-length", "1")]), Some(b"{}"), "reset"),
        ("two lengths", post(&[("content-length", "2"), ("content-length", "3")]), Some(b"{}"), "reset"),
        ("a length that is none", post(&[("content-length", "x")]), Some(b"{}"), "reset"),
        ("a name twice", post(&[]), Some(b"{\"etag\":\"a\",\"etag\":\"b\"}"), "400"),
        ("half of a body", post(&[]), Some(b"{\"etag\":"), "400"),
    ]
}

#[test]
fn requests_that_are_none_do_nothing() {
    let world = World::start("h2-malformed");
    let bearer = bearer(&world, "analyst");
    let before = world.warehouse_log().len();
    let cases = malformed(&self::bearer(&world, "stranger")).into_iter().take(1).chain(malformed(&bearer).into_iter().skip(1));
    let mut wrong = Vec::new();
    for (name, block, body, expect) in cases {
        for encrypted in [false, true] {
            let mut link = if encrypted { world.encrypted_link(b"h2") } else { world.link() };
            frames::begin(&mut link);
            let ends = if body.is_some() { END_HEADERS } else { END_HEADERS | END_STREAM };
            link.send(&frame(HEADERS, ends, 1, &block));
            if let Some(body) = body {
                link.send(&frame(DATA, END_STREAM, 1, body));
            }
            let found = outcome(&mut link);
            // A connection that is given up is as good as a stream that is.
            if found != expect && !(expect == "reset" && matches!(found.as_str(), "closed" | "400")) {
                wrong.push(format!("{name}, encrypted {encrypted}: {found} for {expect}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(world.warehouse_log().len(), before, "the warehouse was asked: {:?}", world.warehouse_log().last());
}

/// Sends until the gateway gives up or all is said. Honest requests are served on other connections, and memory stays where it was.
fn flood(name: &str, write: impl Fn(&World, &mut Link) + Sync) {
    let world = World::start(&format!("h2-{}", name.replace(' ', "-")));
    assert_eq!(world.call("stranger", "GET", &path(), None).status, 403);
    let honest = world.call("analyst", "GET", &path(), None).class();
    assert_eq!(honest, "200");
    let before = world.resident_bytes();
    std::thread::scope(|scope| {
        let flooding: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut link = world.link();
                    link.socket().set_write_timeout(Some(Duration::from_secs(5))).unwrap();
                    frames::begin(&mut link);
                    write(&world, &mut link);
                    link
                })
            })
            .collect();
        while flooding.iter().any(|flooding| !flooding.is_finished()) {
            assert_eq!(world.call("analyst", "GET", &path(), None).class(), honest, "{name}");
        }
        let grown = world.resident_bytes().saturating_sub(before);
        assert!(grown < GROWTH_BYTES_MAX, "{name}: {grown} bytes more");
    });
    let mut link = world.link();
    frames::begin(&mut link);
    link.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &frames::get(&path(), &bearer(&world, "stranger"))));
    let found = outcome(&mut link);
    assert_eq!(found, "403", "{name}");
}

fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|number| 2 * number + 1)
}

#[test]
fn streams_that_are_reset_at_once() {
    flood("rapid reset", |world, link| {
        let block = frames::get(&path(), &bearer(world, "stranger"));
        let cancelled = 8_u32.to_be_bytes();
        for stream in streams(20_000) {
            let both = [frame(HEADERS, END_HEADERS | END_STREAM, stream, &block), frame(RESET, 0, stream, &cancelled)].concat();
            if !link.send(&both) {
                return;
            }
        }
    });
}

#[test]
fn streams_that_make_the_gateway_reset() {
    flood("made resets", |world, link| {
        let block = frames::get(&path(), &bearer(world, "stranger"));
        for stream in streams(20_000) {
            // An increment of nothing is a mistake that the other side answers with a reset.
            let both = [frame(HEADERS, END_HEADERS, stream, &block), frame(WINDOW_UPDATE, 0, stream, &[0; 4])].concat();
            if !link.send(&both) {
                return;
            }
        }
    });
}

#[test]
fn pings_without_end() {
    flood("pings", |_, link| {
        let many = frame(PING, 0, 0, b"12345678").repeat(100);
        for _ in 0..2_000 {
            if !link.send(&many) {
                return;
            }
        }
    });
}

#[test]
fn settings_without_end() {
    flood("settings", |_, link| {
        let many = frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]).repeat(100);
        for _ in 0..2_000 {
            if !link.send(&many) {
                return;
            }
        }
    });
}

#[test]
fn heads_without_end() {
    flood("continuations", |world, link| {
        let block = frames::get(&path(), &bearer(world, "stranger"));
        link.send(&frame(HEADERS, END_STREAM, 1, &block));
        let more = literal("x-filler", &"a".repeat(16_000));
        for _ in 0..5_000 {
            if !link.send(&frame(CONTINUATION, 0, 1, &more)) {
                return;
            }
        }
    });
}

#[test]
fn heads_that_grow_in_the_table() {
    flood("table", |world, link| {
        let mut block = frames::get(&path(), &bearer(world, "stranger"));
        // Kept in the table at place 62, and then named again and again.
        let kept = literal("x-kept", &"a".repeat(3_900));
        block.extend([&[0x40], &kept[1..]].concat());
        block.extend(vec![0xbe; 8_000]);
        for stream in streams(2_000) {
            if !link.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &block)) {
                return;
            }
        }
    });
}

#[test]
fn streams_that_stay_open() {
    flood("open streams", |world, link| {
        let block = frames::get(&path(), &bearer(world, "stranger"));
        for stream in streams(20_000) {
            if !link.send(&frame(HEADERS, END_HEADERS, stream, &block)) {
                return;
            }
        }
        // Whoever is over the limit hears so, or the connection ends.
        let (came, closed) = link.receive(SILENCE);
        assert!(closed || frames::read(&came).iter().any(|frame| matches!(frame.kind, RESET | GOAWAY)));
    });
}

#[test]
fn frames_of_nothing() {
    flood("empty frames", |world, link| {
        let block = frames::get(&path(), &bearer(world, "stranger"));
        link.send(&frame(HEADERS, END_HEADERS, 1, &block));
        let many = frame(DATA, 0, 1, &[]).repeat(100);
        for _ in 0..2_000 {
            if !link.send(&many) {
                return;
            }
        }
    });
}
