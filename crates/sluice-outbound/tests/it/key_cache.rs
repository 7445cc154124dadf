use crate::script::{ISSUER, Script, issuer, key_set};
use sluice_identity::Reason;
use sluice_outbound::{FetchFault, KeyCache};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const NOW: u64 = 1_795_000_000;

fn cache(script: &Script) -> KeyCache<Script> {
    KeyCache::new(script.clone(), |_| {})
}

/// Asks at each moment after `NOW` for a key; gives back whether a set came, and whether it held the key.
async fn ask(cache: &KeyCache<Script>, key_id: &str, seconds: u64) -> Option<bool> {
    cache.keys(&issuer(ISSUER, ""), key_id, NOW + seconds).await.ok().map(|keys| keys.holds(key_id))
}

#[tokio::test]
async fn keys_are_kept_and_read_anew() {
    let script = Script::honest("one");
    let cache = cache(&script);
    for (seconds, asked) in [(0, 1), (1, 1), (3599, 1), (3600, 2), (7199, 2), (7200, 3)] {
        assert_eq!(ask(&cache, "one", seconds).await, Some(true));
        assert_eq!(script.asked(), asked, "{seconds}");
    }
}

#[tokio::test]
async fn the_server_shortens_but_not_below_five_minutes() {
    for (max_age, fresh) in [(0, 300), (600, 600), (1_000_000, 3600)] {
        let script = Script::honest("one");
        script.keys("one", Some(max_age));
        let cache = cache(&script);
        ask(&cache, "one", 0).await;
        ask(&cache, "one", fresh - 1).await;
        assert_eq!(script.asked(), 1, "{max_age}");
        ask(&cache, "one", fresh).await;
        assert_eq!(script.asked(), 2, "{max_age}");
    }
}

#[tokio::test]
async fn invented_key_ids_cause_few_fetches() {
    let script = Script::honest("one");
    let cache = cache(&script);
    for seconds in 0..60 {
        for flood in 0..20 {
            assert_eq!(ask(&cache, &format!("invented-{flood}"), seconds).await, Some(false));
        }
    }
    assert_eq!(script.asked(), 2);
    // A key that was really added is found with the next fetch.
    script.keys("two", None);
    assert_eq!(ask(&cache, "two", 59).await, Some(false));
    assert_eq!(ask(&cache, "two", 60).await, Some(true));
    assert_eq!(script.asked(), 3);
}

#[tokio::test]
async fn a_crowd_causes_one_fetch() {
    let script = Script::honest("one");
    let cache = Arc::new(cache(&script));
    let crowd: Vec<_> = (0..100)
        .map(|_| {
            tokio::spawn({
                let cache = Arc::clone(&cache);
                async move { ask(&cache, "one", 0).await }
            })
        })
        .collect();
    for one in crowd {
        assert_eq!(one.await.unwrap(), Some(true));
    }
    assert_eq!(script.asked(), 1);
}

#[tokio::test]
async fn stale_keys_serve_for_a_while_then_nothing_does() {
    let script = Script::honest("one");
    let cache = cache(&script);
    assert_eq!(ask(&cache, "one", 0).await, Some(true));
    script.fail("/keys", FetchFault::Status(503));
    for (seconds, expect) in [(3600, Some(true)), (7199, Some(true)), (7200, None), (7201, None)] {
        assert_eq!(ask(&cache, "one", seconds).await, expect, "{seconds}");
    }
    // A failure is not asked about again at once: at 7200 the one of 7199 still counts.
    assert_eq!(script.asked(), 3);
    let refused = cache.keys(&issuer(ISSUER, ""), "one", NOW + 7202).await.unwrap_err();
    assert_eq!(refused, Reason::KeysUnavailable("status 503".to_owned()));
    script.keys("one", None);
    assert_eq!(ask(&cache, "one", 7205).await, Some(true));
}

/// A thousand tokens with a thousand invented ids, all at once and while nobody has the keys: one fetch, and each is answered.
#[tokio::test]
async fn a_flood_of_invented_key_ids_causes_one_fetch() {
    let script = Script::honest("one");
    let cache = Arc::new(cache(&script));
    for (seconds, asked) in [(0, 1), (0, 1), (29, 1), (30, 2)] {
        let flood: Vec<_> = (0..1000)
            .map(|number| {
                let cache = Arc::clone(&cache);
                tokio::spawn(async move { ask(&cache, &format!("invented-{number}"), seconds).await })
            })
            .collect();
        for one in flood {
            assert_eq!(one.await.unwrap(), Some(false));
        }
        assert_eq!(script.asked(), asked, "{seconds}");
    }
}

/// A client that hangs up ends its own request and not the fetch: whoever connects and leaves causes no more fetches than whoever waits.
#[tokio::test]
async fn who_leaves_causes_no_further_fetch() {
    let script = Script::honest("one");
    let cache = Arc::new(cache(&script));
    for _ in 0..20 {
        let cache = Arc::clone(&cache);
        let asking = tokio::spawn(async move { ask(&cache, "one", 0).await });
        tokio::time::sleep(Duration::from_millis(1)).await;
        asking.abort();
    }
    assert_eq!(ask(&cache, "one", 0).await, Some(true));
    assert_eq!(script.asked(), 1);
}

/// While the issuer is known not to answer, a stale set is given at once, and the issuer is asked again beside.
#[tokio::test]
async fn in_an_outage_nobody_waits_who_can_be_served() {
    let script = Script::honest("one");
    let cache = cache(&script);
    assert_eq!(ask(&cache, "one", 0).await, Some(true));
    script.fail("/keys", FetchFault::Deadline);
    assert_eq!(ask(&cache, "one", 3600).await, Some(true));
    script.delay(Duration::from_secs(60));
    let started = Instant::now();
    for seconds in [3605, 3605, 3610, 3630, 3659] {
        assert_eq!(ask(&cache, "one", seconds).await, Some(true), "{seconds}");
    }
    assert!(started.elapsed() < Duration::from_secs(30), "somebody waited for an issuer that does not answer");
    // The one that is under way goes on; no second one is begun beside it.
    assert_eq!(script.asked(), 2);
}

/// A clock that was set back makes nothing young: neither is the set fresh for longer, nor is the next fetch kept away.
#[tokio::test]
async fn a_clock_that_is_set_back_keeps_nothing_alive() {
    let script = Script::honest("one");
    let cache = cache(&script);
    assert_eq!(ask(&cache, "one", 100_000).await, Some(true));
    assert_eq!((ask(&cache, "one", 99_980).await, script.asked()), (Some(true), 1));
    assert_eq!((ask(&cache, "one", 10_000).await, script.asked()), (Some(true), 2));
    script.fail("/keys", FetchFault::Status(503));
    assert_eq!(ask(&cache, "one", 5000).await, None);
}

#[tokio::test]
async fn a_hostile_set_is_no_set() {
    for set in [
        "{\"keys\":[]}".to_owned(),
        "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"one\",\"k\":\"AAAA\"}]}".to_owned(),
        key_set("one").replace("\"x\"", "\"d\":\"AA\",\"x\""),
        format!("{}x", key_set("one")),
    ] {
        let script = Script::honest("one");
        let cache = cache(&script);
        assert_eq!(ask(&cache, "one", 0).await, Some(true));
        // An issuer that is taken over for an hour is believed by its old keys until they are stale.
        script.page("/keys", &set, None);
        assert_eq!(ask(&cache, "one", 3600).await, Some(true));
        assert_eq!(ask(&cache, "one", 7200).await, None, "{set}");
    }
}

#[tokio::test]
async fn discovery_is_pinned() {
    let check = async |document_issuer: &str, keys: &str, settings: &str, expect: bool| {
        let script = Script::honest("one");
        script.document(document_issuer, keys);
        let found = cache(&script).keys(&issuer(ISSUER, settings), "one", NOW).await;
        // Where the address is taken, the script is asked for it; it knows only its own.
        let taken = match &found {
            Ok(_) => true,
            Err(Reason::KeysUnavailable(fault)) => fault.contains("asked for"),
            Err(_) => false,
        };
        assert_eq!(taken, expect, "{document_issuer} {keys}: {found:?}");
    };
    check(ISSUER, "https://login.acme.example/keys", "", true).await;
    check(ISSUER, "https://keys.login.acme.example/keys", "", true).await;
    check(ISSUER, "https://cdn.example/keys", "hosts = [\"cdn.example\"]", true).await;
    check(ISSUER, "https://cdn.example/keys", "", false).await;
    check(ISSUER, "https://evil-login.acme.example/keys", "", false).await;
    check(ISSUER, "https://acme.example/keys", "", false).await;
    check(ISSUER, "https://login.acme.example.evil.example/keys", "", false).await;
    check(ISSUER, "https://login.acme.example@evil.example/keys", "", false).await;
    check(ISSUER, "http://login.acme.example/keys", "", false).await;
    check(ISSUER, "file:///etc/passwd", "", false).await;
    check(ISSUER, "https://169.254.169.254/keys", "", false).await;
    check("https://evil.example", "https://login.acme.example/keys", "", false).await;
    check("https://login.acme.example/", "https://login.acme.example/keys", "", false).await;
}

#[tokio::test]
async fn changes_are_told() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let script = Script::honest("one");
    let cache = KeyCache::new(script.clone(), {
        let told = Arc::clone(&told);
        move |change| told.lock().unwrap().push(change)
    });
    ask(&cache, "one", 0).await;
    ask(&cache, "one", 3600).await;
    script.keys("two", None);
    ask(&cache, "two", 7200).await;
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 2);
    assert_eq!((told[0].before, told[1].before), (None, Some(told[0].after)));
}

#[tokio::test]
async fn keys_come_from_a_file() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("keys.json");
    std::fs::write(&path, key_set("one")).unwrap();
    let from = |path: &str| issuer(ISSUER, &format!("file = \"{path}\""));
    assert!(cache(&Script::default()).keys(&from(path.to_str().unwrap()), "one", NOW).await.unwrap().holds("one"));
    assert!(cache(&Script::default()).keys(&from("/nowhere/keys.json"), "one", NOW).await.is_err());
    std::fs::write(&path, " ".repeat(sluice_identity::KEY_SET_BYTES_MAX + 1)).unwrap();
    assert!(cache(&Script::default()).keys(&from(path.to_str().unwrap()), "one", NOW).await.is_err());
}

/// Both issuers call their key `one`, and each has its own: a token of one is not verified with the key of the other.
#[tokio::test]
async fn keys_belong_to_one_issuer() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let cache = cache(&Script::default());
    let mut digests = Vec::new();
    for (name, key_id) in [("first", "one"), ("second", "one"), ("third", "two")] {
        let path = folder.join(format!("{name}.json"));
        std::fs::write(&path, key_set(key_id)).unwrap();
        let issuer = issuer(&format!("https://{name}.example"), &format!("file = \"{}\"", path.display()));
        let keys = cache.keys(&issuer, "one", NOW).await.unwrap();
        assert_eq!(keys.holds("one"), key_id == "one", "{name}");
        digests.push(keys.digest());
    }
    assert!(digests[0] != digests[1] && digests[1] != digests[2]);
}
