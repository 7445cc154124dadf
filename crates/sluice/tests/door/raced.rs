//! What scripts make themselves, call, or write into by place, changed by others while they run; and changes that hide each other.

use crate::canaries::Canaries;
use crate::program::pause;
use crate::reshaped::{PIPELINE, READER, begin, data, fresh, go_on, make, query, ran, results, wait_for, world};
use crate::talk::Answer;
use crate::world::{API, World};
use serde_json::json;
use std::time::Duration;

const TO_SSN: &str = "SELECT ssn AS a FROM clinic.patients";
const TO_NAME: &str = "SELECT name AS a FROM clinic.patients";

fn of(text: &str, table: &str) -> String {
    text.replace("{t}", table)
}

/// A job of the pipeline's, with changes by others at its gate.
struct Race<'a> {
    world: &'a World,
    canaries: &'a Canaries,
}

impl Race<'_> {
    /// `before`, the gate with the changes, `behind`; then what a reader sees of these.
    fn run(&self, table: &str, (before, changes, behind): (&str, &[&str], &str), reads: &[&str]) -> Answer {
        fresh(self.world, table);
        let job = begin(self.world, PIPELINE, table, before, behind);
        if let Some(made) = before.strip_prefix("CREATE OR REPLACE TABLE staging.") {
            wait_for(self.world, &of(made.split([' ', '(']).next().unwrap(), table), "fields");
        } else {
            pause(Duration::from_millis(800));
        }
        for change in changes {
            ran(&query(self.world, PIPELINE, &of(change, table)), change);
        }
        go_on(self.world, table);
        let answer = results(self.world, PIPELINE, &job);
        assert_eq!(self.canaries.find_in(&answer), None, "{before} {behind} beside {changes:?}");
        for read in reads {
            let seen = query(self.world, READER, &of(read, table));
            ran(&seen, read);
            assert_eq!(self.canaries.find_in(&seen), None, "{read} after {before} {behind} beside {changes:?}: {}", seen.text());
        }
        answer
    }
}

/// What was done by another text than the one that was decided on nobody takes back.
#[test]
fn a_routine_is_not_changed_while_somebody_acts_by_it() {
    let world = world("raced-routines");
    let check = |table: &str, first: &str, (before, behind): (&str, &str), change: &str| {
        fresh(&world, table);
        make(&world, &of(first, table));
        let job = begin(&world, PIPELINE, table, before, behind);
        let refused = query(&world, PIPELINE, &of(change, table));
        assert_eq!(refused.class(), "503 backendError", "{change}: {}", refused.text());
        assert!(refused.text().contains("one of them waits until the other is over"), "{}", refused.text());
        go_on(&world, table);
        ran(&results(&world, PIPELINE, &job), behind);
        ran(&query(&world, PIPELINE, &of(change, table)), change);
    };
    let procedure = "CREATE OR REPLACE PROCEDURE staging.p_{t}() BEGIN CREATE OR REPLACE TABLE staging.made_{t} AS SELECT 1 AS n; END";
    let other = "CREATE OR REPLACE PROCEDURE staging.p_{t}() BEGIN CREATE OR REPLACE TABLE staging.made_{t} AS SELECT 2 AS n; END";
    check("called", procedure, ("", "CALL staging.p_{t}()"), other);
    let around = "CREATE OR REPLACE PROCEDURE staging.q_{t}() BEGIN CALL staging.p_{t}(); END";
    make(&world, &of(procedure, "around"));
    check("around", around, ("", "CALL staging.q_{t}()"), other);
    check("gone", procedure, ("", "CALL staging.p_{t}()"), "DROP PROCEDURE staging.p_{t}");
    let function = "CREATE OR REPLACE FUNCTION staging.f_{t}(x INT64) AS (x)";
    let tells = "CREATE OR REPLACE FUNCTION staging.f_{t}(x INT64) AS ((SELECT MAX(ssn) FROM clinic.patients))";
    check("filled", function, ("", "CREATE OR REPLACE TABLE staging.made_{t} AS SELECT staging.f_{t}(1) AS n"), tells);
    check("own", "SELECT 1", (&format!("{function};"), "CREATE OR REPLACE TABLE staging.made_{t} AS SELECT staging.f_{t}(1) AS n"), tells);
    // The other way round: who would act by it waits for whoever changes it.
    fresh(&world, "turned");
    let job = begin(&world, PIPELINE, "turned", &format!("{function};"), "SELECT 1");
    let calls = "CREATE OR REPLACE TABLE staging.made_turned AS SELECT staging.f_turned(1) AS n";
    make(&world, &of(function, "turned"));
    let refused = query(&world, PIPELINE, calls);
    assert_eq!(refused.class(), "503 backendError", "{}", refused.text());
    go_on(&world, "turned");
    ran(&results(&world, PIPELINE, &job), "turned");
    ran(&query(&world, PIPELINE, calls), calls);
    // By the method, too.
    fresh(&world, "method");
    make(&world, &of(procedure, "method"));
    let job = begin(&world, PIPELINE, "method", "", "CALL staging.p_method()");
    let path = format!("{API}/datasets/staging/routines/p_method");
    let refused = world.call(PIPELINE, "DELETE", &path, None);
    assert_ne!(refused.status, 204, "{}", refused.text());
    go_on(&world, "method");
    ran(&results(&world, PIPELINE, &job), "method");
    world.finish();
}

/// What lasts as long as a script is its own, whatever others call theirs.
#[test]
fn scripts_with_temporary_things_of_one_name_go_side_by_side() {
    let world = world("raced-temporary");
    let makes = "CREATE TEMP FUNCTION f(x INT64) AS (x + 1); CREATE TEMP TABLE t AS SELECT f(1) AS n;";
    let acts = "CREATE OR REPLACE TABLE staging.made_{t} AS SELECT f(n) AS n FROM t; SELECT f(n) AS n FROM t";
    let tables = ["one", "two", "three"];
    tables.iter().for_each(|table| fresh(&world, table));
    let jobs =
        tables.map(|table| (table, begin(&world, PIPELINE, table, makes, if table == "three" { "SELECT f(n) AS n FROM t" } else { acts })));
    for (table, job) in jobs.iter().rev() {
        go_on(&world, table);
        let answer = results(&world, PIPELINE, job);
        ran(&answer, table);
        assert_eq!(answer.json()["rows"], json!([{ "f": [{ "v": "3" }] }]), "{table}: {}", answer.text());
    }
    world.finish();
}

/// Who only reads keeps nobody waiting: the rows are withheld.
#[test]
fn a_function_that_a_reader_calls_is_changed_and_the_rows_are_withheld() {
    let world = world("raced-readers");
    let canaries = Canaries::of(&world);
    fresh(&world, "read");
    make(&world, "CREATE OR REPLACE FUNCTION staging.f_read(x STRING) AS (x)");
    let job = begin(&world, READER, "read", "", "SELECT staging.f_read(a) AS c FROM staging.read");
    ran(
        &query(&world, PIPELINE, "CREATE OR REPLACE FUNCTION staging.f_read(x STRING) AS ((SELECT MIN(ssn) FROM clinic.patients))"),
        "changed",
    );
    go_on(&world, "read");
    let answer = results(&world, READER, &job);
    assert_eq!((answer.status, canaries.find_in(&answer)), (403, None), "{}", answer.text());
    world.finish();
}

/// A view that the script has made is another's by the time that it reads it; into a table that it has made another writes.
#[test]
fn what_a_script_makes_itself_is_what_others_make_of_it() {
    let world = world("raced-made");
    let canaries = Canaries::of(&world);
    let race = Race { world: &world, canaries: &canaries };
    let view = format!("CREATE OR REPLACE VIEW staging.v_{{t}} AS {TO_NAME};");
    let other = format!("CREATE OR REPLACE VIEW staging.v_{{t}} AS {TO_SSN}");
    race.run("viewed", (&view, &[&other], "SELECT a FROM staging.v_{t}"), &[]);
    let copies = "CREATE OR REPLACE TABLE staging.to_{t} AS SELECT a FROM staging.v_{t}";
    race.run("view_copied", (&view, &[&other], copies), &["SELECT * FROM staging.to_{t}"]);
    let table = "CREATE OR REPLACE TABLE staging.m_{t} (a STRING);";
    let filled = format!("INSERT INTO staging.m_{{t}} (a) {TO_SSN}");
    race.run("filled", (table, &[&filled], "SELECT a FROM staging.m_{t}"), &[]);
    let updated = "UPDATE staging.m_{t} SET a = (SELECT MIN(ssn) FROM clinic.patients) WHERE TRUE";
    race.run("updated", ("CREATE OR REPLACE TABLE staging.m_{t} AS SELECT 'x' AS a;", &[updated], "SELECT a FROM staging.m_{t}"), &[]);
    let copies = "CREATE OR REPLACE TABLE staging.to_{t} AS SELECT a FROM staging.m_{t}";
    race.run("filled_copied", (table, &[&filled], copies), &["SELECT * FROM staging.to_{t}"]);
    make(&world, "CREATE OR REPLACE TABLE staging.m_shar_0 (a STRING)");
    race.run("shard", (table, &[&filled], "SELECT a FROM `staging.m_shar*`"), &[]);
    let copy = "CREATE OR REPLACE TABLE staging.m_{t} COPY staging.{t};";
    race.run("copied", (copy, &[&filled], "SELECT a FROM staging.m_{t}"), &[]);
    let renamed = "ALTER TABLE staging.{t} RENAME TO m_{t};";
    race.run("renamed", (renamed, &[&filled], "SELECT a FROM staging.m_{t}"), &[]);
    // Alone it is answered as ever.
    let answer = race.run("alone", (table, &[], "SELECT COUNT(*) AS n FROM staging.m_{t}"), &[]);
    ran(&answer, "alone");
    world.finish();
}

/// Columns change their places under an INSERT without a list; a table becomes another before it is renamed.
#[test]
fn what_is_written_by_place_is_labelled_wherever_it_lands() {
    let world = world("raced-places");
    let canaries = Canaries::of(&world);
    let race = Race { world: &world, canaries: &canaries };
    let turned = "CREATE OR REPLACE TABLE staging.w_{t} (a STRING, code STRING)";
    let reads = ["SELECT * FROM staging.w_{t}", "SELECT a FROM staging.w_{t}"];
    let check = |table: &str, behind: &str| {
        make(&world, &of("CREATE OR REPLACE TABLE staging.w_{t} (code STRING, a STRING)", table));
        race.run(table, ("", &[turned], behind), &reads);
        assert_eq!(canaries.find_in(&data(&world, &of("w_{t}", table))), None, "{behind}");
    };
    check("inserted", "INSERT INTO staging.w_{t} SELECT ssn, name FROM clinic.patients");
    let merge = "MERGE staging.w_{t} USING (SELECT ssn AS s, name AS n FROM clinic.patients) ON FALSE WHEN NOT MATCHED THEN INSERT";
    check("merged", &format!("{merge} VALUES (s, n)"));
    check("merged_row", &format!("{merge} ROW"));
    let other = format!("CREATE OR REPLACE TABLE staging.{{t}} AS {TO_SSN}").replace(" AS a ", " AS other ");
    race.run("moved", ("", &[&other], "ALTER TABLE staging.{t} RENAME TO to_{t}"), &["SELECT * FROM staging.to_{t}"]);
    // A column more behind the others moves none of them.
    make(&world, "CREATE OR REPLACE TABLE staging.w_longer (a STRING, b STRING)");
    let longer = ["ALTER TABLE staging.w_longer ADD COLUMN c STRING"];
    race.run("longer", ("", &longer, "INSERT INTO staging.w_longer (a, b) SELECT ssn, name FROM clinic.patients"), &[]);
    let seen = query(&world, READER, "SELECT b FROM staging.w_longer WHERE b IS NOT NULL LIMIT 1");
    ran(&seen, "longer");
    assert_ne!(seen.json()["rows"][0]["f"][0]["v"], "", "the name has no label: {}", seen.text());
    world.finish();
}

/// Somebody puts back what another still has in hand, or so often that nobody remembers all of it.
#[test]
fn what_was_there_in_between_is_not_hidden_by_further_changes() {
    let world = world("raced-hidden");
    let canaries = Canaries::of(&world);
    let view = |t: &str, text: &str| format!("CREATE OR REPLACE VIEW staging.v_{t} AS {text}");
    let begun = |table: &str| {
        ran(&query(&world, PIPELINE, &view(table, TO_NAME)), table);
        fresh(&world, table);
        make(&world, &format!("CREATE OR REPLACE TABLE staging.first_{table} (a STRING)"));
        let first = format!("WHILE (SELECT COUNT(*) FROM staging.first_{table}) < 1 DO SET i = i + 1; END WHILE;");
        let kept = format!("{first} CREATE TEMP TABLE x AS SELECT a FROM staging.v_{table};");
        begin(&world, PIPELINE, table, &kept, "SELECT a FROM x")
    };
    let read = |table: &str| {
        make(&world, &format!("INSERT INTO staging.first_{table} (a) VALUES ('now')"));
        pause(Duration::from_millis(1_500));
    };
    let job = begun("beside");
    fresh(&world, "long");
    let long = begin(&world, PIPELINE, "long", &format!("{};", view("beside", TO_SSN)), "SELECT 1");
    pause(Duration::from_millis(1_500));
    read("beside");
    ran(&query(&world, PIPELINE, &view("beside", TO_NAME)), "back");
    go_on(&world, "beside");
    let answer = results(&world, PIPELINE, &job);
    assert_eq!((answer.status, canaries.find_in(&answer)), (403, None), "{}", answer.text());
    go_on(&world, "long");
    ran(&results(&world, PIPELINE, &long), "long");
    let job = begun("often");
    ran(&query(&world, PIPELINE, &view("often", TO_SSN)), "there");
    read("often");
    for _ in 0..18 {
        ran(&query(&world, PIPELINE, &view("often", TO_NAME)), "back");
    }
    go_on(&world, "often");
    let answer = results(&world, PIPELINE, &job);
    assert_eq!((answer.status, canaries.find_in(&answer)), (403, None), "{}", answer.text());
    world.finish();
}

/// The words of a refusal that is no mistake of anybody's: clients try again by themselves.
#[test]
fn who_waits_for_another_is_told_what_for() {
    let world = world("raced-told");
    fresh(&world, "told");
    make(&world, "CREATE OR REPLACE PROCEDURE staging.p_told() BEGIN CREATE OR REPLACE TABLE staging.made_told AS SELECT 1 AS n; END");
    let job = begin(&world, PIPELINE, "told", "", "CALL staging.p_told()");
    let body = json!({ "query": "DROP PROCEDURE staging.p_told", "useLegacySql": false });
    let refused = world.call(PIPELINE, "POST", &format!("{API}/queries"), Some(&body));
    for words in ["`acme-prod.staging.p_told`", "nothing was done: try again", "Quote `"] {
        assert!(refused.text().contains(words), "{words}: {}", refused.text());
    }
    go_on(&world, "told");
    ran(&results(&world, PIPELINE, &job), "told");
    world.finish();
}
