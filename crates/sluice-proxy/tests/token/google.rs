//! The library of Google's for Python against the door, with nothing but a file of its own kind.

use crate::world::{FILES, World, token};
use serde_json::{Value, json};

const SCRIPT: &str = r#"
import json, sys
import google.auth, google.auth.transport.requests
credentials, project = google.auth.load_credentials_from_file(sys.argv[1], scopes=["https://www.googleapis.com/auth/bigquery"])
request = google.auth.transport.requests.Request()
credentials.refresh(request)
first, expiry = credentials.token, credentials.expiry
credentials.refresh(request)
answer = {"first": first, "second": credentials.token, "valid": credentials.valid}
open(sys.argv[2], "w").write("junk")
try:
    credentials.refresh(request)
except Exception as error:
    answer["error"] = str(error)
print(json.dumps(answer))
"#;

/// `SLUICE_PYTHON` is a Python that has google-auth and requests, as acceptance/run.sh makes one.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "where that Python is depends on the machine that tests")]
#[ignore = "needs a Python with google-auth: acceptance/run.sh runs it"]
async fn the_library_gets_its_tokens() {
    let python = std::env::var("SLUICE_PYTHON").unwrap();
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let (subject, file) = (folder.path().join("subject.txt"), folder.path().join("file.json"));
    // As an editor leaves it: with a line break at its end.
    std::fs::write(&subject, format!("{}\n", token(json!({ "iss": FILES, "sub": "pod", "jti": "mounted" })))).unwrap();
    let written = json!({
        "type": "external_account",
        "audience": "//sluice.local/pools/default",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("http://{}/v1/token", world.address),
        "credential_source": { "file": subject },
    });
    std::fs::write(&file, written.to_string()).unwrap();
    let running = move || std::process::Command::new(python).arg("-c").arg(SCRIPT).arg(&file).arg(&subject).output().unwrap();
    let output = tokio::task::spawn_blocking(running).await.unwrap();
    let run = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_str(&run).unwrap_or_else(|error| panic!("{error}: {run}"));
    let (first, second) = (said["first"].as_str().unwrap(), said["second"].as_str().unwrap());
    assert!(first != second && said["error"].as_str().unwrap().contains("invalid_request"), "{said}");
}
