//! Scripts that go on behind what they do: one makes a table anew, others carry it from there to a second and a third one meanwhile. Whoever reads the last of
//! them, in whatever order they began and ended, and over whatever restart, sees nothing that is hidden in the first.

use crate::apart::Apart;
use crate::canaries::Canaries;
use crate::program::pause;
use crate::restarted::{PIPELINE, READER, Stop, begin, call, go_on, make, results, scene, stop};
use crate::talk::Answer;
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_secs(30);

/// The scripts of one chain, by their letters: C makes A anew, U brings A into M, V brings M into B, R reads B.
struct Chain<'a> {
    apart: &'a Apart,
    name: &'a str,
    jobs: Vec<(char, String)>,
}

impl<'a> Chain<'a> {
    /// They begin in this order, each waits before and behind what it does.
    fn begin(apart: &'a Apart, name: &'a str, order: &str) -> Chain<'a> {
        make(apart, &format!("CREATE OR REPLACE TABLE staging.{name}_a AS SELECT name AS pub FROM clinic.patients"));
        ["m", "b"].iter().for_each(|table| make(apart, &format!("CREATE OR REPLACE TABLE staging.{name}_{table} (j STRING)")));
        let mut chain = Chain { apart, name, jobs: Vec::new() };
        for letter in order.chars() {
            ["", "_end"]
                .iter()
                .for_each(|when| make(apart, &format!("CREATE OR REPLACE TABLE staging.go_{name}_{letter}{when} (a STRING)")));
            let waits = format!("WHILE (SELECT COUNT(*) FROM staging.go_{name}_{letter}_end) < 1 DO SET i = i + 1; END WHILE;");
            let script = match letter {
                'C' => format!("CREATE OR REPLACE TABLE staging.{name}_a AS SELECT ssn AS other FROM clinic.patients; {waits}"),
                'U' => format!("INSERT INTO staging.{name}_m SELECT TO_JSON_STRING(x) FROM staging.{name}_a AS x; {waits}"),
                'V' => format!("INSERT INTO staging.{name}_b SELECT j FROM staging.{name}_m; {waits}"),
                'W' => format!("INSERT INTO staging.{name}_b SELECT TO_JSON_STRING(x) FROM staging.{name}_a AS x; {waits}"),
                _ => format!("SELECT j FROM staging.{name}_b"),
            };
            let caller = if letter == 'R' { READER } else { PIPELINE };
            chain.jobs.push((letter, begin(apart, caller, &format!("{name}_{letter}"), &script)));
        }
        chain
    }

    /// Past the gateway: it does what it has to do, and goes on.
    fn acts(&self, letters: &str) {
        for letter in letters.chars() {
            go_on(self.apart, &format!("{}_{letter}", self.name));
            let done = match letter {
                'C' => format!("SELECT other FROM staging.{}_a LIMIT 1", self.name),
                'U' => format!("SELECT j FROM staging.{}_m LIMIT 1", self.name),
                'V' | 'W' => format!("SELECT j FROM staging.{}_b LIMIT 1", self.name),
                _ => continue,
            };
            let until = Instant::now() + WITHIN;
            while self.apart.query_direct(&done).json()["totalRows"] != "1" {
                assert!(Instant::now() < until, "{} {letter} does nothing", self.name);
                pause(Duration::from_millis(50));
            }
        }
    }

    fn lets_end(&self, letters: &str) {
        letters.chars().for_each(|letter| go_on(self.apart, &format!("{}_{letter}_end", self.name)));
    }

    fn job(&self, letter: char) -> &str {
        &self.jobs.iter().find(|(known, _)| *known == letter).unwrap().1
    }

    fn ends(&self, letters: &str) {
        self.lets_end(letters);
        letters.chars().for_each(|letter| drop(results(self.apart, PIPELINE, self.job(letter))));
    }

    /// By every way of rows, and what was begun before.
    fn check(&self, canaries: &Canaries, when: &str) {
        let table = format!("{}_b", self.name);
        let mut answers = Vec::new();
        // It comes first: whoever reads the table looks at who writes it.
        if self.jobs.iter().any(|(letter, _)| *letter == 'R') {
            let job = self.job('R');
            answers.push(results(self.apart, READER, job));
            answers.push(call(self.apart, READER, "GET", &format!("queries/{job}?location=US&startIndex=3&maxResults=2"), None));
        }
        answers.push(call(self.apart, READER, "GET", &format!("datasets/staging/tables/{table}/data"), None));
        answers.push(self.apart.query(READER, &format!("SELECT j FROM staging.{table}")));
        for answer in answers {
            self.check_hidden(canaries, &answer, when);
        }
    }

    fn check_hidden(&self, canaries: &Canaries, answer: &Answer, when: &str) {
        assert_eq!(canaries.find_in(answer), None, "{} {when}: {}", self.name, answer.text());
        assert!([200, 403].contains(&answer.status), "{} {when}: {}", self.name, answer.text());
    }

    /// The values are there.
    fn check_there(&self, canaries: &Canaries) {
        let there = self.apart.query_direct(&format!("SELECT j FROM staging.{}_b", self.name));
        assert!(canaries.find_in(&there).is_some(), "{}: {}", self.name, there.text());
    }
}

#[test]
fn a_reader_that_began_before_sees_nothing_that_a_writer_brings() {
    let (apart, canaries) = (scene("chains-readers"), Canaries::declared(|_| true));
    for (name, order) in [("ruc", "RWC"), ("urc", "WRC"), ("cur", "CWR")] {
        let chain = Chain::begin(&apart, name, order);
        chain.acts("CWR");
        chain.check_there(&canaries);
        chain.check(&canaries, "at once");
        chain.ends("WC");
        chain.check(&canaries, "in the end");
    }
    apart.finish();
}

#[test]
fn labels_reach_the_end_of_a_chain_whoever_ends_first() {
    let (apart, canaries) = (scene("chains"), Canaries::declared(|_| true));
    for (name, order, ends) in [("uvc", "UVC", "VUC"), ("vuc", "VUC", "VCU"), ("cuv", "CUV", "CUV")] {
        let chain = Chain::begin(&apart, name, order);
        chain.acts("CUV");
        chain.check_there(&canaries);
        chain.check(&canaries, "at once");
        for letter in ends.chars() {
            chain.ends(&letter.to_string());
            chain.check(&canaries, &format!("when {letter} is over"));
        }
    }
    // Nobody reads while they run.
    let chain = Chain::begin(&apart, "unread", "UVC");
    chain.acts("CUV");
    chain.ends("VUC");
    chain.check_there(&canaries);
    chain.check(&canaries, "in the end");
    apart.finish();
}

#[test]
fn labels_reach_the_end_of_a_chain_over_a_restart() {
    let (mut apart, canaries) = (scene("chains-restarted"), Canaries::declared(|_| true));
    for (name, order, ends_down) in [("runs", "UVC", false), ("ended", "RUVC", true)] {
        let chain = Chain::begin(&apart, name, order);
        let jobs = chain.jobs.clone();
        chain.acts("CUV");
        stop(&mut apart, Stop::Kill);
        let chain = Chain { apart: &apart, name, jobs };
        if ends_down {
            chain.acts("R");
            chain.lets_end("VUC");
            for (_, job) in &chain.jobs {
                crate::restarted::wait_for_end_there(&apart, job);
            }
        }
        let jobs = chain.jobs.clone();
        apart.serve();
        let chain = Chain { apart: &apart, name, jobs };
        chain.check_there(&canaries);
        chain.check(&canaries, "at once");
        if !ends_down {
            chain.ends("VUC");
        }
        chain.check(&canaries, "in the end");
    }
    apart.finish();
}
