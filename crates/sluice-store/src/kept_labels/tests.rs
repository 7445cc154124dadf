use super::*;
use proptest::prelude::*;
use sluice_policy::{Bundle, PolicySet};
use std::path::PathBuf;
use tempfile::TempDir;

/// A file in a folder that goes with the test.
fn fresh() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels");
    KeptLabelsFile::create(&path).unwrap();
    (folder, path)
}

fn column(text: &str) -> ColumnPath {
    let parts: Vec<&str> = text.split('.').collect();
    let [project, dataset, table, path @ ..] = parts.as_slice() else { panic!("{text}") };
    ColumnPath { table: TableName::new(project, dataset, table), path: path.iter().map(|part| (*part).to_owned()).collect() }
}

fn labelling(origin: Origin, columns: &[(&str, &str)]) -> Labelling {
    Labelling { origin, computed: false, at: 7, columns: columns.iter().map(|(name, label)| (column(name), (*label).to_owned())).collect() }
}

fn by_ana() -> Origin {
    Origin::Set { by: "ana b".to_owned(), reason: "seen in: a review - \u{fc}".to_owned() }
}

#[test]
fn labels_stay_and_others_see_them() {
    let (_folder, path) = fresh();
    let gateway = KeptLabelsFile::open(&path).unwrap();
    let desk = KeptLabelsFile::open(&path).unwrap();
    let all = [
        labelling(Origin::Carried(Subject([3; 16])), &[("p.d.t.a", "health"), ("p.d.t.b.c", "health")]),
        labelling(Origin::Tagged, &[("p.d.u.a", "projects/p/locations/eu/taxonomies/1/policyTags/2")]),
        labelling(by_ana(), &[("p.d.T$20240101.X", "name")]),
        labelling(Origin::Found(17), &[("p.d.v.a", "payment")]),
        labelling(
            Origin::Imported { by: "ana".to_owned(), reason: "a list: of columns".to_owned() },
            &[("p.d.v.b", "name"), ("p.d.v.c", "health")],
        ),
        labelling(Origin::TagsImported { by: "ana".to_owned(), reason: "tags".to_owned() }, &[("p.d.v.d", "policyTags/3")]),
        Labelling { computed: true, ..labelling(Origin::Carried(Subject([4; 16])), &[("p.d.t.a", "health"), ("p.d.w.a", "name")]) },
        Labelling { computed: true, ..labelling(by_ana(), &[("p.d.w.b", "name")]) },
    ];
    let mut known = Known::default();
    for (number, labelling) in (0..).zip(&all) {
        assert_eq!(desk.add(labelling).unwrap(), number);
        for (column, label) in &labelling.columns {
            let is_tag = matches!(labelling.origin, Origin::Tagged | Origin::TagsImported { .. });
            let is_new = match (is_tag, labelling.computed) {
                (true, _) => known.tag(column, label),
                (false, true) => known.inherit_computed(column, label),
                (false, false) => known.inherit(column, label),
            };
            assert!(is_new);
        }
        let kept = gateway.current().unwrap();
        assert_eq!(kept.labellings(), &all[..=number as usize]);
        assert_eq!(kept.known(), &known);
    }
    assert_eq!(KeptLabelsFile::create(&path), Err(StoreFault::Exists(path.display().to_string())));
    std::fs::remove_file(&path).unwrap();
    assert!(gateway.current().is_err(), "a file that is gone knows no label");
}

fn labels_of_name() -> PolicySet {
    let files = [
        ("policy.toml", "format = 1\nname = \"x\"\n[cost]\nmicros_per_tib = 1\n"),
        ("labels.toml", "format = 1\n[labels.name]\nmask = \"always_null\"\nreason = \"r\"\ncolumns = [\"p.d.n.n\"]\n"),
        ("none.cedar", "@id(\"none\")\n@reason(\"r\")\nforbid(principal, action, resource);"),
    ];
    PolicySet::load(&Bundle::new(files.map(|(name, text)| (name.to_owned(), text.to_owned())))).unwrap()
}

#[test]
fn what_is_kept_is_what_policy_asks() {
    let set = labels_of_name();
    let (_folder, path) = fresh();
    let file = KeptLabelsFile::open(&path).unwrap();
    file.add(&labelling(by_ana(), &[("p.d.T$20240101.X", "name")])).unwrap();
    let kept = file.current().unwrap();
    let labels = |name: &str| set.labels.of(&column(name), kept.known()).iter().map(|label| label.name.clone()).collect::<Vec<_>>();
    assert_eq!(labels("P.d.t.x"), ["name"], "in any letters, without the partition");
    assert_eq!(labels("p.d.t.y"), [""; 0]);
}

/// A line from before the two were told apart says nothing of what it was: hiding a copy too many is safe.
#[test]
fn what_nobody_knows_of_counts_as_computed() {
    let check = |word: &str, expect: bool| {
        let entry = ["p", "d", "t", "c", "name"].map(|part| hexadecimal(part.as_bytes())).join(":");
        let mut kept = KeptLabels::default();
        kept.take(&format!("{word} 7 {entry}")).unwrap();
        let set = labels_of_name();
        assert_eq!(set.labels.is_computed(&column("p.d.t.c"), kept.known()), expect, "{word}");
        assert_eq!(set.labels.of(&column("p.d.t.c"), kept.known()).len(), 1, "{word}");
    };
    let (subject, said) = (hexadecimal(&[3; 16]), format!("{}:{}", hexadecimal(b"ana"), hexadecimal(b"seen")));
    check(&format!("carried {subject}"), true);
    check(&format!("copied {subject}"), false);
    check(&format!("set {said}"), false);
    check(&format!("set_computed {said}"), true);
    check(&format!("imported {said}"), false);
    check(&format!("imported_computed {said}"), true);
    check("found 3", false);
}

#[test]
fn only_acts_of_persons_wait_to_be_recorded() {
    let (_folder, path) = fresh();
    let file = KeptLabelsFile::open(&path).unwrap();
    file.add(&labelling(Origin::Tagged, &[("p.d.t.a", "x")])).unwrap();
    let act = labelling(by_ana(), &[("p.d.t.b", "name")]);
    let number = file.add(&act).unwrap();
    let waiting = || file.current().unwrap().unrecorded().map(|(number, _)| number).collect::<Vec<_>>();
    assert_eq!(waiting(), [number]);
    assert!(act.draft(number).is_ok());
    file.mark_recorded(number, 9).unwrap();
    assert_eq!(waiting(), [0; 0]);
}

#[test]
fn what_is_no_label_is_refused() {
    let (_folder, path) = fresh();
    let file = KeptLabelsFile::open(&path).unwrap();
    let refused = |labelling: Labelling, expect: &str| {
        let fault = file.add(&labelling).unwrap_err();
        assert!(matches!(&fault, StoreFault::Refused(text) if text.contains(expect)), "{fault:?}");
    };
    refused(labelling(by_ana(), &[]), "no column");
    refused(labelling(by_ana(), &[("p.d.t", "name")]), "is no column");
    refused(labelling(by_ana(), &[("p.d.t.a", " ")]), "the label is empty");
    refused(labelling(by_ana(), &[("p.d.t.a", "a\nb")]), "not one line");
    refused(Labelling { computed: true, ..labelling(Origin::Tagged, &[("p.d.t.a", "tag")]) }, "nobody says");
    let nameless = Origin::Set { by: String::new(), reason: "r".to_owned() };
    refused(labelling(nameless, &[("p.d.t.a", "name")]), "who does it is empty");
    assert_eq!(file.current().unwrap().labellings(), []);
}

#[test]
fn a_changed_file_is_not_believed() {
    let (_folder, path) = fresh();
    KeptLabelsFile::open(&path).unwrap().add(&labelling(by_ana(), &[("p.d.t.a", "name")])).unwrap();
    let good = std::fs::read(&path).unwrap();
    for position in 0..good.len() - 1 {
        let mut bad = good.clone();
        bad[position] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        assert!(KeptLabelsFile::open(&path).is_err(), "{position}");
    }
}

proptest! {
    #[test]
    fn lines_are_read_back(
        at: u64,
        subject: [u8; 16],
        kind in 0..3,
        computed: bool,
        columns in proptest::collection::vec(("[a-z:.]{0,9}[a-z]", "\\PC{1,9}", "\\PC{1,9}", "[^.]{1,9}(\\.[^.]{1,9}){0,3}", "\\PC{1,20}"), 1..5)
    ) {
        let origin = match kind {
            0 => Origin::Carried(Subject(subject)),
            1 => by_ana(),
            _ => Origin::Tagged,
        };
        let columns = columns.into_iter().map(|(project, dataset, table, path, label)| {
            let path = path.split('.').map(str::to_owned).collect();
            (ColumnPath { table: TableName::new(&project, &dataset, &table), path }, label)
        });
        let computed = computed && kind < 2;
        let labelling = Labelling { origin, computed, at, columns: columns.collect() };
        let line = labelling.line();
        prop_assert_eq!(Labelling::read(&line.split(' ').collect::<Vec<_>>()), Some(labelling));
    }
}
