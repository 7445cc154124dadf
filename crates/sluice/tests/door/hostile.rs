//! Requests that programs on the way could read differently, and requests that are broken: each with the statuses of all its answers.

/// What is sent, and the statuses of all answers. None: the gateway waits for more, or closes.
pub struct Case {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub statuses: &'static [u16],
}

/// Somebody who may list datasets: whatever is smuggled in is seen by the warehouse.
pub struct Sender {
    token: String,
    /// A request that must never be seen: it stands where a body or a header is.
    hidden: String,
}

impl Sender {
    pub fn new(token: &str) -> Sender {
        let hidden = format!("GET /projects/acme-prod/datasets HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer {token}\r\n\r\n");
        Sender { token: token.to_owned(), hidden }
    }

    pub fn cases(&self) -> Vec<Case> {
        [framing(self), chunks(self), contradictions(self), heads(self), claims(self), lines(self), paths(self), bodies(self), packed(self)]
            .into_iter()
            .flatten()
            .collect()
    }

    /// A request line and headers, with a token that is good.
    pub fn with(&self, line: &str, headers: &str, body: &str) -> String {
        format!("{line}\r\nHost: gw\r\nAuthorization: Bearer {}\r\n{headers}\r\n{body}", self.token)
    }

    fn get(&self, path: &str) -> String {
        self.with(&format!("GET {path} HTTP/1.1"), "", "")
    }
}

fn case(name: &'static str, text: impl Into<Vec<u8>>, statuses: &'static [u16]) -> Case {
    Case { name, bytes: text.into(), statuses }
}

const POST: &str = "POST /projects/acme-prod/datasets HTTP/1.1";
const BODY: &str = "{\"datasetReference\":{\"datasetId\":\"d\"}}";
const TYPE: &str = "Content-Type: application/json\r\n";

fn framing(sender: &Sender) -> Vec<Case> {
    let (length, hidden) = (BODY.len(), &sender.hidden);
    let coded =
        |coding: &str| sender.with(POST, &format!("{TYPE}Transfer-Encoding: {coding}\r\n"), &format!("5\r\nabcde\r\n0\r\n\r\n{hidden}"));
    vec![
        case(
            "CL.TE",
            sender.with(POST, &format!("{TYPE}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"), &format!("0\r\n\r\n{hidden}")),
            &[400],
        ),
        case(
            "TE.CL",
            sender.with(
                POST,
                &format!("{TYPE}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"),
                &format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len()),
            ),
            &[400],
        ),
        case(
            "TE.TE",
            sender.with(POST, "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", &format!("0\r\n\r\n{hidden}")),
            &[400],
        ),
        case(
            "TE twice",
            sender.with(POST, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", &format!("0\r\n\r\n{hidden}")),
            &[400],
        ),
        case("two lengths", sender.with(POST, &format!("{TYPE}Content-Length: 0\r\nContent-Length: 80\r\n"), hidden), &[400]),
        case(
            "one length twice",
            sender.with(POST, &format!("{TYPE}Content-Length: {length}\r\nContent-Length: {length}\r\n"), BODY),
            &[403],
        ),
        case("a list of lengths", sender.with(POST, &format!("{TYPE}Content-Length: {length}, {length}\r\n"), BODY), &[400]),
        case("a length with a sign", sender.with(POST, &format!("{TYPE}Content-Length: +{length}\r\n"), BODY), &[400]),
        case("a negative length", sender.with(POST, "Content-Length: -1\r\n", hidden), &[400]),
        case("a hexadecimal length", sender.with(POST, "Content-Length: 0x10\r\n", hidden), &[400]),
        case("a length that is no number", sender.with(POST, "Content-Length: many\r\n", hidden), &[400]),
        case("an empty length", sender.with(POST, "Content-Length:\r\n", hidden), &[400]),
        case("a length with a space in it", sender.with(POST, "Content-Length: 1 0\r\n", hidden), &[400]),
        case("a length beyond 64 bits", sender.with(POST, "Content-Length: 99999999999999999999999\r\n", hidden), &[400]),
        case("a length with an underscore", sender.with(POST, "Content-Length: 1_0\r\n", hidden), &[400]),
        case("TE gzip", coded("gzip"), &[400]),
        case("TE gzip, chunked", coded("gzip, chunked"), &[400]),
        case("TE chunked, gzip", coded("chunked, gzip"), &[400]),
        case("TE xchunked", coded("xchunked"), &[400]),
        case("TE chunked;q=1", coded("chunked;q=1"), &[400]),
        case("TE identity", coded("identity"), &[400]),
        case("TE \"chunked\"", coded("\"chunked\""), &[400]),
        case("TE behind a vertical tab", coded("\u{b}chunked"), &[400]),
        case(
            "TE in HTTP/1.0",
            sender.with("POST /projects/acme-prod/datasets HTTP/1.0", "Transfer-Encoding: chunked\r\n", &format!("0\r\n\r\n{hidden}")),
            &[400],
        ),
        case("a space before the colon of TE", sender.with(POST, "Transfer-Encoding : chunked\r\n", &format!("0\r\n\r\n{hidden}")), &[400]),
    ]
}

fn chunks(sender: &Sender) -> Vec<Case> {
    let (length, hidden) = (BODY.len(), &sender.hidden);
    let chunked = |chunks: &str| sender.with(POST, &format!("{TYPE}Transfer-Encoding: chunked\r\n"), chunks);
    vec![
        case("a chunk that is no number", chunked("zz\r\nabc\r\n0\r\n\r\n"), &[400]),
        case("a chunk with a sign", chunked("+5\r\nabcde\r\n0\r\n\r\n"), &[400]),
        case("a chunk beyond 64 bits", chunked("fffffffffffffffff\r\nabc"), &[400]),
        case("a chunk with 0x", chunked("0x5\r\nabcde\r\n0\r\n\r\n"), &[400]),
        case("a chunk that is shorter than it says", chunked("8\r\nabc\r\n0\r\n\r\n"), &[]),
        case("a chunk that is longer than it says", chunked("2\r\nabcde\r\n0\r\n\r\n"), &[400]),
        case("a chunk ended by a bare line feed", chunked("2\nab\r\n0\r\n\r\n"), &[400]),
        case("a chunk extension with a line feed", chunked("2;a\nb\r\nab\r\n0\r\n\r\n"), &[400]),
        case("chunk extensions without end", chunked(&format!("2;{}\r\nab\r\n0\r\n\r\n", "a".repeat(70_000))), &[400]),
        case("trailers without end", chunked(&format!("2\r\n{{}}\r\n0\r\n{}", "A: b\r\n".repeat(20_000))), &[400]),
        case(
            "a body of GET",
            sender.with("GET /projects/acme-prod/datasets HTTP/1.1", &format!("{TYPE}Content-Length: {length}\r\n"), BODY),
            &[400],
        ),
        case(
            "a hidden request behind an empty body",
            sender.with(POST, &format!("{TYPE}Content-Length: 0\r\nConnection: close\r\n"), hidden),
            &[400],
        ),
    ]
}

fn heads(sender: &Sender) -> Vec<Case> {
    let good = &sender.token;
    let with_header = |header: &str| sender.with("GET /projects/acme-prod/datasets HTTP/1.1", header, "");
    let bare = |headers: &str| format!("GET /projects/acme-prod/datasets HTTP/1.1\r\nAuthorization: Bearer {good}\r\n{headers}\r\n");
    vec![
        case("no host", bare(""), &[400]),
        case("two hosts", bare("Host: gw\r\nHost: other\r\n"), &[400]),
        case("one host twice", bare("Host: gw\r\nHost: gw\r\n"), &[400]),
        case("an empty host", bare("Host:\r\n"), &[400]),
        case("a host with a path", bare("Host: gw/x\r\n"), &[400]),
        case("a host with a user", bare("Host: a@gw\r\n"), &[400]),
        case("a host with a space", bare("Host: gw x\r\n"), &[400]),
        case("a host of other letters", bare("Host: g\u{e9}w\r\n"), &[400]),
        case("a folded header", with_header("X-A: b\r\n c\r\n"), &[400]),
        case("a header folded by a tab", with_header("X-A: b\r\n\tc\r\n"), &[400]),
        case("a folded first header", "GET /projects/acme-prod/datasets HTTP/1.1\r\n Host: gw\r\n\r\n", &[400]),
        case("a space before a colon", with_header("X-A : b\r\n"), &[400]),
        case("a header without a name", with_header(": b\r\n"), &[400]),
        case("a header without a colon", with_header("Xab\r\n"), &[400]),
        case("a header with NUL in its name", with_header("X\0A: b\r\n"), &[400]),
        case("a header with NUL in its value", with_header("X-A: b\0c\r\n"), &[400]),
        case("a header with a carriage return", with_header("X-A: b\rGET / HTTP/1.1\r\n"), &[400]),
        case("a header with a bracket in its name", with_header("X(A): b\r\n"), &[400]),
        case("a header with other letters in its name", with_header("X\u{e9}: b\r\n"), &[400]),
        case("a header that is too long", with_header(&format!("X-A: {}\r\n", "b".repeat(100_000))), &[431]),
        case("too many headers", with_header(&"X-A: b\r\n".repeat(500)), &[431]),
    ]
}

fn claims(sender: &Sender) -> Vec<Case> {
    let good = &sender.token;
    let with_header = |header: &str| sender.with("GET /projects/acme-prod/datasets HTTP/1.1", header, "");
    vec![
        case("two tokens", with_header("Authorization: Bearer other\r\n"), &[400]),
        case(
            "a token with a comma",
            format!("GET /projects/acme-prod/datasets HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer {good}, Bearer other\r\n\r\n"),
            &[400],
        ),
        case(
            "a token behind two spaces",
            format!("GET /projects/acme-prod/datasets HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer  {good}\r\n\r\n"),
            &[400],
        ),
        case(
            "a token of other letters",
            "GET /projects/acme-prod/datasets HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer g\u{f6}od\r\n\r\n",
            &[400],
        ),
        case(
            "a token without its scheme",
            format!("GET /projects/acme-prod/datasets HTTP/1.1\r\nHost: gw\r\nAuthorization: {good}\r\n\r\n"),
            &[401],
        ),
        case(
            "a token for a proxy",
            format!("GET /projects/acme-prod/datasets HTTP/1.1\r\nHost: gw\r\nProxy-Authorization: Bearer {good}\r\n\r\n"),
            &[401],
        ),
        case(
            "a token in a cookie",
            format!("GET /projects/acme-prod/datasets HTTP/1.1\r\nHost: gw\r\nCookie: token={good}\r\n\r\n"),
            &[401],
        ),
        case("an upgrade", with_header("Connection: Upgrade\r\nUpgrade: websocket\r\n"), &[400]),
        case(
            "an upgrade to h2c",
            with_header("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"),
            &[400],
        ),
        case("an expectation", sender.with(POST, "Expect: nothing\r\nContent-Length: 2\r\n", "{}"), &[400]),
        case("a range", with_header("Range: bytes=0-0\r\n"), &[400]),
        case("an override of GET", with_header("X-HTTP-Method-Override: DELETE\r\n"), &[400]),
        case("two overrides", sender.with(POST, "X-HTTP-Method-Override: DELETE\r\nX-HTTP-Method-Override: GET\r\n", ""), &[400]),
        case("an override to a verb that is none", sender.with(POST, "X-HTTP-Method-Override: BREW\r\n", ""), &[400]),
        case("an override in small letters", sender.with(POST, "X-HTTP-Method-Override: delete\r\n", ""), &[400]),
        case("an override to HEAD", sender.with(POST, "X-HTTP-Method-Override: HEAD\r\n", ""), &[400]),
        case(
            "two conditions",
            sender.with("DELETE /projects/acme-prod/datasets/d HTTP/1.1", "If-Match: \"a\"\r\nIf-Match: \"b\"\r\n", ""),
            &[400],
        ),
        case(
            "a condition that is a list",
            sender.with("DELETE /projects/acme-prod/datasets/d HTTP/1.1", "If-Match: \"a\", \"b\"\r\n", ""),
            &[400],
        ),
    ]
}

fn lines(sender: &Sender) -> Vec<Case> {
    let good = &sender.token;
    let line = |line: &str| format!("{line}\r\nHost: gw\r\nAuthorization: Bearer {good}\r\n\r\n");
    vec![
        case("no version", "GET /projects/acme-prod/datasets\r\n\r\n", &[400]),
        case("another version", line("GET /projects/acme-prod/datasets HTTP/3.0"), &[400]),
        case("a version in small letters", line("GET /projects/acme-prod/datasets http/1.1"), &[400]),
        case("a version with a space", line("GET /projects/acme-prod/datasets HTTP/1.1 "), &[400]),
        case("a verb with a bracket", line("GE(T /projects/acme-prod/datasets HTTP/1.1"), &[400]),
        case("a verb in small letters", line("get /projects/acme-prod/datasets HTTP/1.1"), &[404]),
        case("a verb that is none", line("BREW /projects/acme-prod/datasets HTTP/1.1"), &[404]),
        case("OPTIONS", line("OPTIONS /projects/acme-prod/datasets HTTP/1.1"), &[404]),
        case("OPTIONS of everything", line("OPTIONS * HTTP/1.1"), &[404]),
        case("TRACE", line("TRACE /projects/acme-prod/datasets HTTP/1.1"), &[404]),
        case("CONNECT", line("CONNECT bigquery.googleapis.com:443 HTTP/1.1"), &[400]),
        case("HEAD", line("HEAD /projects/acme-prod/datasets HTTP/1.1"), &[404]),
        case("a whole address", line("GET http://gw/projects/acme-prod/datasets HTTP/1.1"), &[400]),
        case("the address of another", line("GET http://bigquery.googleapis.com/bigquery/v2/projects/acme-prod/datasets HTTP/1.1"), &[400]),
        case("a space in the path", line("GET /projects/acme-prod /datasets HTTP/1.1"), &[400]),
        case("a tab in the path", line("GET /projects/acme-prod\t/datasets HTTP/1.1"), &[400]),
        case("NUL in the path", line("GET /projects/acme-prod\0/datasets HTTP/1.1"), &[400]),
        case("other letters in the path", line("GET /projects/acme-prod\u{e9}/datasets HTTP/1.1"), &[400]),
        case("a path that is too long", line(&format!("GET /projects/{}/datasets HTTP/1.1", "p".repeat(20_000))), &[413]),
        case(
            "a bare line feed at the end of the line",
            "GET /projects/acme-prod/datasets HTTP/1.1\nHost: gw\nAuthorization: Bearer bad\n\n",
            &[401],
        ),
        case("rubbish", "\u{1}\u{2}\u{3}\r\n\r\n", &[400]),
        case(
            "TLS where there is none",
            vec![0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, 0x0d, 0x0a, 0x0d, 0x0a],
            &[400],
        ),
        case("half of a preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", &[400]),
    ]
}

fn paths(sender: &Sender) -> Vec<Case> {
    let refused: [(&'static str, &str, &'static [u16]); 30] = [
        ("two slashes", "//projects/acme-prod/datasets", &[404]),
        ("two slashes inside", "/bigquery/v2//projects/acme-prod/datasets", &[404]),
        ("a slash at the end", "/projects/acme-prod/datasets/", &[404]),
        ("dots", "/bigquery/v2/../v2/projects/acme-prod/datasets", &[404]),
        ("dots for a project", "/projects/../datasets", &[400]),
        ("encoded dots", "/projects/%2e%2e/datasets", &[400]),
        ("dots behind a project", "/projects/acme-prod/datasets/../../q", &[404]),
        ("an encoded slash", "/projects/acme-prod%2Fdatasets", &[404]),
        ("an encoded slash in a name", "/projects/acme-prod/datasets/d%2Ftables", &[400]),
        ("an encoded backslash", "/projects/acme-prod/datasets/d%5Ctables", &[400]),
        ("an encoded NUL", "/projects/acme-prod%00/datasets", &[400]),
        ("an encoded line break", "/projects/acme-prod%0d%0aX:%20y/datasets", &[400]),
        ("an overlong slash", "/projects/acme-prod%c0%afq/datasets", &[400]),
        ("an overlong dot", "/projects/%c0%ae/datasets", &[400]),
        ("half a character", "/projects/acme-prod%c3/datasets", &[400]),
        ("a broken escape", "/projects/acme-prod%zz/datasets", &[400]),
        ("an escape without an end", "/projects/acme-prod/datasets/d%2", &[400]),
        ("an escape of another kind", "/projects/%u0070/datasets", &[400]),
        ("encoded twice", "/projects/acme-prod/datasets/d%252e%252e", &[400]),
        ("matrix parameters", "/projects/acme-prod;q=1/datasets", &[400]),
        ("capitals in the prefix", "/BigQuery/v2/projects/acme-prod/datasets", &[404]),
        ("an encoded literal", "/%70rojects/p/datasets", &[404]),
        ("another version", "/bigquery/v3/projects/acme-prod/datasets", &[404]),
        ("another service", "/storage/v1/b", &[404]),
        ("the prefix twice", "/bigquery/v2/bigquery/v2/projects/acme-prod/datasets", &[404]),
        ("a wildcard", "/projects/acme-prod/datasets/d/tables/events_*/data", &[400]),
        ("a decorator of time", "/projects/acme-prod/datasets/d/tables/t@0/data", &[400]),
        ("backticks", "/projects/acme-prod/datasets/d/tables/%60t%60", &[400]),
        ("a verb behind a colon", "/projects/acme-prod/datasets/d/tables/t:getIamPolicy", &[400]),
        ("capitals in a project", "/projects/ACME-PROD/datasets", &[400]),
    ];
    let parameters: [(&'static str, &str); 14] = [
        ("a parameter twice", "maxResults=1&maxResults=2"),
        ("a parameter twice in two spellings", "maxResults=1&max%52esults=2"),
        ("an unknown parameter", "trace=1"),
        ("a token in the address", "access_token=x"),
        ("an older token in the address", "oauth_token=x"),
        ("a script", "callback=x"),
        ("another form", "alt=media"),
        ("an upload where none is", "uploadType=media"),
        ("a number that is none", "maxResults=1e9"),
        ("a flag that is none", "all=maybe"),
        ("a broken mask", "fields=a(b"),
        ("a broken escape", "filter=%"),
        ("a semicolon", "all=true;maxResults=1"),
        ("a line break", "filter=%0d%0a"),
    ];
    let paths = refused.into_iter().map(|(name, path, statuses)| case(name, sender.get(path), statuses));
    paths
        .chain(parameters.into_iter().map(|(name, query)| case(name, sender.get(&format!("/projects/acme-prod/datasets?{query}")), &[400])))
        .collect()
}

fn bodies(sender: &Sender) -> Vec<Case> {
    let post = |body: &str| sender.with(POST, &format!("{TYPE}Content-Length: {}\r\n", body.len()), body);
    let typed = |media_type: &str| sender.with(POST, &format!("Content-Type: {media_type}\r\nContent-Length: {}\r\n", BODY.len()), BODY);
    let coded = |coding: &str| sender.with(POST, &format!("{TYPE}Content-Encoding: {coding}\r\nContent-Length: {}\r\n", BODY.len()), BODY);
    vec![
        case("a name twice", post("{\"datasetReference\":{\"datasetId\":\"d\"},\"datasetReference\":{\"datasetId\":\"e\"}}"), &[400]),
        case("a name twice in two spellings", post("{\"datasetReference\":{\"datasetId\":\"d\",\"dataset\\u0049d\":\"e\"}}"), &[400]),
        case("a list", post("[]"), &[400]),
        case("a number", post("7"), &[400]),
        case("half of it", post("{\"a\":"), &[400]),
        case("two of them", post("{}{}"), &[400]),
        case("a comment", post("{/* */}"), &[400]),
        case("a byte order mark", post("\u{feff}{}"), &[400]),
        case("nesting", post(&"{\"a\":".repeat(100_000)), &[400]),
        case("NaN", post("{\"a\":NaN}"), &[400]),
        case("half a surrogate", post("{\"a\":\"\\ud800\"}"), &[400]),
        case("an unknown field", post("{\"datasetReference\":{\"datasetId\":\"d\"},\"surprise\":1}"), &[400]),
        case("a field in other letters", post("{\"DatasetReference\":{\"datasetId\":\"d\"}}"), &[400]),
        case("another project", post("{\"datasetReference\":{\"datasetId\":\"d\",\"projectId\":\"q\"}}"), &[400]),
        case("a form", typed("application/x-www-form-urlencoded"), &[400]),
        case("a text", typed("text/plain"), &[400]),
        case("another charset", typed("application/json; charset=utf-7"), &[400]),
        case("several parts", typed("multipart/related; boundary=x"), &[400]),
        case("no type", sender.with(POST, &format!("Content-Length: {}\r\n", BODY.len()), BODY), &[400]),
        case("two types", sender.with(POST, &format!("{TYPE}{TYPE}Content-Length: {}\r\n", BODY.len()), BODY), &[400]),
        case("a coding that is not there", coded("gzip"), &[400]),
        case("an unknown coding", coded("br"), &[400]),
        case("two codings", coded("gzip, gzip"), &[400]),
        case("a body that is too large", sender.with(POST, &format!("{TYPE}Content-Length: 30000000\r\n"), &" ".repeat(11 << 20)), &[413]),
    ]
}

/// Both ways to say how long a body is, each valid by itself: whichever one a program on the way believes, the other is left.
fn contradictions(sender: &Sender) -> Vec<Case> {
    let (length, hidden) = (BODY.len(), &sender.hidden);
    let whole = format!("{length:x}\r\n{BODY}\r\n0\r\n\r\n");
    let both = |headers: &str, body: &str| sender.with(POST, &format!("{TYPE}{headers}"), body);
    let sent = whole.len();
    vec![
        case("TE, then the right CL", both(&format!("Transfer-Encoding: chunked\r\nContent-Length: {sent}\r\n"), &whole), &[400]),
        case("the right CL, then TE", both(&format!("Content-Length: {sent}\r\nTransfer-Encoding: chunked\r\n"), &whole), &[400]),
        case("TE, then CL of what is in it", both(&format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"), &whole), &[400]),
        case("TE, then no length", both("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", &whole), &[400]),
        case("TE, then a length that is none", both("Transfer-Encoding: chunked\r\nContent-Length: x\r\n", &whole), &[400]),
        case("TE between two lengths", both("Content-Length: 5\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", &whole), &[400]),
        case("TE in capitals, then CL", both("TRANSFER-ENCODING: CHUNKED\r\nContent-Length: 5\r\n", &whole), &[400]),
        case(
            "TE, then CL, then another request",
            both("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", &format!("{whole}{hidden}")),
            &[400],
        ),
        case(
            "TE, then CL, on the second request",
            format!(
                "GET /nothing HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer {}\r\n\r\n{}",
                sender.token,
                both("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", &whole)
            ),
            &[404, 400],
        ),
        case(
            "TE, then CL, behind a body",
            format!(
                "{}{}",
                sender.with(POST, &format!("{TYPE}Content-Length: {length}\r\n"), BODY),
                both("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", &whole)
            ),
            &[403, 400],
        ),
        case(
            "TE, then CL, behind chunks",
            format!(
                "{}{}",
                sender.with(POST, &format!("{TYPE}Transfer-Encoding: chunked\r\n"), &whole),
                both("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", &whole)
            ),
            &[403, 400],
        ),
        case(
            "TE, then CL, in a head of bare line feeds",
            both("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", &whole).replacen("\r\n", "\n", 6),
            &[400],
        ),
    ]
}

/// Bodies that are small only while they are packed, or that cost more to read than to send.
fn packed(sender: &Sender) -> Vec<Case> {
    let zipped = |body: &[u8], coding: &str| {
        let head = sender.with(POST, &format!("{TYPE}Content-Encoding: {coding}\r\nContent-Length: {}\r\n", body.len()), "");
        [head.as_bytes(), body].concat()
    };
    let long = |text: String| sender.with(POST, &format!("{TYPE}Content-Length: {}\r\n", text.len()), &text);
    let stored = stored_gzip(BODY.as_bytes());
    vec![
        case("gzip that is cut off", zipped(&stored[..stored.len() - 9], "gzip"), &[400]),
        case("gzip with a wrong sum", zipped(&[&stored[..stored.len() - 8], &[0; 8]].concat(), "gzip"), &[400]),
        case("gzip with a tail", zipped(&[&stored[..], b"tail"].concat(), "gzip"), &[400]),
        case("gzip that grows without end", zipped(&gzip_of_zeros(64 << 20), "gzip"), &[413]),
        case("gzip by its older name", zipped(&stored, "x-gzip"), &[403]),
        case("deflate", zipped(&stored, "deflate"), &[400]),
        case("lists in lists", long(format!("{{\"a\":{}", "[".repeat(200_000))), &[400]),
        case("a number of many digits", long(format!("{{\"etag\":{}}}", "9".repeat(300_000))), &[400]),
        case("a name of many letters", long(format!("{{\"{}\":1}}", "a".repeat(300_000))), &[400]),
        case(
            "many names",
            long(format!("{{{}\"a\":1}}", (0..100_000).map(|number| format!("\"f{number}\":1,")).collect::<String>())),
            &[400],
        ),
        case("UTF-16", long(BODY.chars().flat_map(|letter| [letter, '\0']).collect()), &[400]),
        case("NUL in a text", long("{\"datasetReference\":{\"datasetId\":\"a\\u0000b\"}}".to_owned()), &[400]),
        case("a line break in a name", long("{\"datasetReference\":{\"datasetId\":\"a\\r\\nb\"}}".to_owned()), &[400]),
        case("dots for a name", long("{\"datasetReference\":{\"datasetId\":\"..\"}}".to_owned()), &[400]),
    ]
}

/// A member of gzip whose one block is stored as it is.
fn stored_gzip(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap();
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1];
    packed.extend_from_slice(&length.to_le_bytes());
    packed.extend_from_slice(&(!length).to_le_bytes());
    packed.extend_from_slice(body);
    packed.extend_from_slice(&checksum(body).to_le_bytes());
    packed.extend_from_slice(&u32::from(length).to_le_bytes());
    packed
}

/// Runs of zeros as deflate says them in 12 bits for 258 bytes: a thousandth of what they become.
fn gzip_of_zeros(bytes: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::copy(&mut std::io::Read::take(std::io::repeat(b' '), u64::try_from(bytes).unwrap()), &mut encoder).unwrap();
    encoder.finish().unwrap()
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
