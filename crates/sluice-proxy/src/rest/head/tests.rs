use super::*;
use axum::http::{HeaderValue, Request};

type Headers<'a> = &'a [(&'static str, &'a str)];

fn read_head(method: &str, uri: &str, headers: &[(&'static str, &str)], peer: Option<&str>, proxies: &[&str]) -> Result<Head, HeadFault> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let peer = Peer { address: peer.map(|address| address.parse().unwrap()), tls: None };
    let proxies: Vec<IpAddr> = proxies.iter().map(|address| address.parse().unwrap()).collect();
    read(&parts, &peer, &proxies)
}

fn check(method: &str, headers: &[(&'static str, &str)], expect: Result<(), &str>) {
    let has_host = headers.iter().any(|(name, _)| *name == "host");
    let with_host: Vec<_> = headers.iter().copied().chain((!has_host).then_some(("host", "gw"))).collect();
    match (read_head(method, "/projects", &with_host, None, &[]), expect) {
        (Ok(_), Ok(())) => {}
        (Err(fault), Err(part)) => assert!(fault.text.contains(part), "{headers:?}: {}", fault.text),
        (found, _) => panic!("{method} {headers:?}: {found:?}"),
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    check("GET", &[], Ok(()));
    check("GET", &[("authorization", "Bearer a.b-c_d~e+f/g=")], Ok(()));
    check("GET", &[("authorization", "bearer abc")], Ok(()));
    check("POST", &[("x-http-method-override", "PATCH")], Ok(()));
    check("POST", &[("content-length", "12")], Ok(()));
    check("POST", &[("transfer-encoding", "chunked")], Ok(()));
    check("POST", &[("expect", "100-Continue")], Ok(()));
    check("PATCH", &[("if-match", "\"abc==\"")], Ok(()));
    check("PATCH", &[("if-match", "abc==")], Ok(()));
    check("GET", &[("if-none-match", "W/\"a\", \"b\"")], Ok(()));
    let refused: [(&str, Headers<'_>, &str); 36] = [
        ("GET", &[("authorization", "Bearer a"), ("authorization", "Bearer b")], "`authorization` stands twice"),
        ("GET", &[("authorization", "Bearer a"), ("authorization", "Bearer a")], "`authorization` stands twice"),
        ("GET", &[("authorization", "Bearer ")], "one token"),
        ("GET", &[("authorization", "Bearer a b")], "one token"),
        ("GET", &[("authorization", "Bearer a,b")], "one token"),
        ("GET", &[("authorization", "Bearer  a")], "one token"),
        ("GET", &[("authorization", "Bearer é")], "one token"),
        ("GET", &[("host", "a"), ("host", "a")], "`host` stands twice"),
        ("GET", &[("host", "")], "not a name"),
        ("GET", &[("host", "a/b")], "not a name"),
        ("GET", &[("host", "a b")], "not a name"),
        ("GET", &[("host", "a@b")], "not a name"),
        ("GET", &[("host", "é")], "not a name"),
        ("POST", &[("content-length", "1"), ("content-length", "1")], "`content-length` stands twice"),
        ("POST", &[("content-length", "+1")], "not a number"),
        ("POST", &[("content-length", "1, 1")], "not a number"),
        ("POST", &[("content-length", "0x1")], "not a number"),
        ("POST", &[("content-length", "")], "not a number"),
        ("POST", &[("content-length", "1"), ("transfer-encoding", "chunked")], "a `Content-Length` and a `Transfer-Encoding`"),
        ("POST", &[("transfer-encoding", "gzip, chunked")], "not `chunked`"),
        ("POST", &[("transfer-encoding", "xchunked")], "not `chunked`"),
        ("POST", &[("transfer-encoding", "identity")], "not `chunked`"),
        ("POST", &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], "`transfer-encoding` stands twice"),
        ("GET", &[("upgrade", "h2c")], "not upgraded"),
        ("POST", &[("expect", "200-ok")], "`Expect`"),
        ("GET", &[("x-http-method-override", "DELETE")], "goes with POST alone"),
        ("PUT", &[("x-http-method-override", "DELETE")], "goes with POST alone"),
        ("POST", &[("x-http-method-override", "delete")], "is none of"),
        ("POST", &[("x-http-method-override", "BREW")], "is none of"),
        ("POST", &[("x-http-method-override", "DELETE"), ("x-http-method-override", "GET")], "stands twice"),
        ("PATCH", &[("if-match", "a"), ("if-match", "b")], "`if-match` stands twice"),
        ("PATCH", &[("if-match", "\"a\", \"b\"")], "not one etag"),
        ("PATCH", &[("if-match", "a b")], "not one etag"),
        ("PATCH", &[("if-none-match", "\"a\"")], "goes with GET alone"),
        ("GET", &[("range", "bytes=0-1")], "`range` is not understood"),
        ("PATCH", &[("if-unmodified-since", "x")], "`if-unmodified-since` is not understood"),
    ];
    for (method, headers, part) in refused {
        check(method, headers, Err(part));
    }
    check("PATCH", &[("if-match", &"a".repeat(ETAG_BYTES_MAX + 1))], Err("not one etag"));
    check("GET", &[("x-long", &"a".repeat(HEADERS_BYTES_MAX))], Err("bytes of them"));
    check("GET", &[("a", "b"); HEADERS_MAX + 1], Err("headers"));
}

#[test]
fn one_request_is_for_one_host() {
    let check = |uri: &str, version: Version, host: Option<&str>, expect: Result<&str, &str>| {
        let mut request = Request::builder().uri(uri).version(version);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let found = read(&parts, &Peer::default(), &[]).map(|head| head.host);
        match (found, expect) {
            (Ok(found), Ok(expect)) => assert_eq!(found, expect),
            (Err(fault), Err(part)) => assert!(fault.text.contains(part), "{uri}: {}", fault.text),
            (found, _) => panic!("{uri} {host:?}: {found:?}"),
        }
    };
    check("/projects", Version::HTTP_11, Some("gw:8080"), Ok("gw:8080"));
    check("/projects", Version::HTTP_11, None, Err("no `Host`"));
    check("http://gw/projects", Version::HTTP_11, Some("gw"), Err("a whole address"));
    check("http://other/projects", Version::HTTP_11, Some("gw"), Err("a whole address"));
    check("ftp://gw/projects", Version::HTTP_2, None, Err("another protocol"));
    check("https://gw/projects", Version::HTTP_2, None, Ok("gw"));
    check("https://gw/projects", Version::HTTP_2, Some("GW"), Ok("GW"));
    check("https://gw/projects", Version::HTTP_2, Some("other"), Err("not the one"));
}

#[test]
fn only_configured_proxies_are_believed() {
    let check = |peer: &str, forwarded: Option<&str>, expect: Result<&str, &str>| {
        let headers: Vec<(&'static str, &str)> =
            [("host", "gw")].into_iter().chain(forwarded.map(|text| ("x-forwarded-for", text))).collect();
        let found = read_head("GET", "/", &headers, Some(peer), &["10.0.0.1", "10.0.0.2"]);
        match (found, expect) {
            (Ok(head), Ok(expect)) => assert_eq!(head.address, Some(expect.parse().unwrap())),
            (Err(fault), Err(part)) => assert!(fault.text.contains(part)),
            (found, _) => panic!("{forwarded:?}: {found:?}"),
        }
    };
    check("192.0.2.7", Some("127.0.0.1"), Ok("192.0.2.7"));
    check("192.0.2.7", Some("rubbish"), Ok("192.0.2.7"));
    check("10.0.0.1", None, Ok("10.0.0.1"));
    check("10.0.0.1", Some("192.0.2.9"), Ok("192.0.2.9"));
    check("10.0.0.1", Some("127.0.0.1, 192.0.2.9"), Ok("192.0.2.9"));
    check("10.0.0.1", Some("192.0.2.9, 10.0.0.2"), Ok("192.0.2.9"));
    check("10.0.0.1", Some("192.0.2.9, "), Err("not a list of addresses"));
    check("10.0.0.1", Some("unknown"), Err("not a list of addresses"));
}

#[test]
fn packing_is_wanted_or_not() {
    let check = |accepted: &str, expect: bool| {
        let head = read_head("GET", "/", &[("host", "gw"), ("accept-encoding", accepted)], None, &[]).unwrap();
        assert_eq!(head.accepts_gzip, expect, "{accepted}");
    };
    check("gzip, deflate", true);
    check("br, GZIP;q=0.5", true);
    check("*", true);
    check("gzip;q=0", false);
    check("gzip; q=0.0", false);
    check("br", false);
    check("", false);
    let head =
        read_head("GET", "/", &[("host", "gw"), ("user-agent", "x"), ("x-goog-user-project", "billing"), ("cookie", "c")], None, &[])
            .unwrap();
    assert_eq!((head.user_agent.as_deref(), head.said), (Some("x"), vec![("x-goog-user-project".to_owned(), "billing".to_owned())]));
}
