//! The steps that attacks are made of.

use crate::book::{Book, Files, ORIGIN, START_MS, log_key, master, publish, sections, witness_key};
use crate::clinic::Clinic;
use sluice_ledger::checkpoint::Checkpoint;
use sluice_ledger::cosignature::cosign;
use sluice_ledger::keyring::{LocalMasterKeys, MasterKeyId};
use sluice_ledger::layout::Slot;
use sluice_ledger::note::{KeyKind, Note, Signature, Signer};
use sluice_ledger::record::{Draft, Kind, Leaf, SectionId, Subject, Target};
use std::path::Path;

pub struct Attack<'a> {
    clinic: &'a Clinic,
    book: Book,
    sizes: Vec<u64>,
    notes: Vec<String>,
    /// Other roots to sign, by size.
    forks: Vec<u64>,
    /// Done to the finished files.
    file_steps: Vec<Vec<String>>,
}

impl<'a> Attack<'a> {
    pub fn new(clinic: &'a Clinic) -> Attack<'a> {
        let (sizes, notes) = (clinic.sizes.clone(), clinic.notes());
        Attack { clinic, book: clinic.book.clone(), sizes, notes, forks: Vec::new(), file_steps: Vec::new() }
    }

    pub fn step(&mut self, step: &str) {
        let words: Vec<&str> = step.split(' ').collect();
        let number = |place: usize| words[place].parse::<i64>().unwrap();
        let index = |place: usize| number(place) as usize;
        match words[0] {
            "drop" | "cut" | "append" | "fill" | "flip" | "swap" | "copy" | "link" | "split-history" | "text" | "key" => {
                self.file_steps.push(words.iter().map(|word| (*word).to_owned()).collect());
            }
            "delete" => drop(self.book.rows.remove(index(1))),
            "delete-request" => self.delete_request(number(1) as u8),
            "repeat" => self.book.rows.insert(index(1), self.book.rows[index(1)].clone()),
            "swap-records" => self.book.rows.swap(index(1), index(2)),
            "last" => self.book.rows.truncate(index(1)),
            "rewrite" => self.rewrite(index(1) as u64),
            "time" => self.change(index(1), |leaf| leaf.time_ms = leaf.time_ms.saturating_add_signed(number(2))),
            "epoch" => self.change(index(1), |leaf| leaf.epoch = number(2) as u64),
            "kind" => self.change(index(1), |leaf| leaf.kind = Kind::parse(words[2]).unwrap()),
            "boot-as" => self.change(index(1), |leaf| (leaf.kind, leaf.epoch) = (Kind::Boot, number(2) as u64)),
            "wide" => self.book.rows[index(1)].leaf = wide(&self.book.rows[index(1)].leaf),
            "silence" => self.silence(index(1)),
            "erase-as" => self.change(index(1), |leaf| {
                let target = Target { index: number(2) as u64, sections: leaf.sections };
                (leaf.kind, leaf.subject, leaf.target) = (Kind::Erasure, None, Some(target));
            }),
            "erase-held" => self.erase_held(index(1) as u64),
            "stranger-request" => self.stranger_request(index(1)),
            "body" => self.book.rows[index(1)].body = self.book.rows[index(2)].body.clone(),
            "slots" => {
                let (first, second) = (self.book.rows[index(1)].slot.clone(), self.book.rows[index(2)].slot.clone());
                (self.book.rows[index(1)].slot, self.book.rows[index(2)].slot) = (second, first);
            }
            "narrow" => assert_eq!(self.book.rows[index(1)].slot.pop(), Some(0)),
            "blank" => self.book.rows[index(1)].slot.fill(0),
            "forget" | "gone" => self.slot(index(1), &Slot::Gone { leaf: number(2) as u64 }),
            "forget-part" => self.book.drop_keys(number(1) as u64, sections(&[SectionId::parse(words[2]).unwrap()]), 0),
            "revive" => self.revive(index(1) as u64),
            "other-master" => self.other_master(index(1) as u64),
            "rollback" => self.rollback(number(1) as u64),
            "published" => {
                self.notes = words[1..]
                    .iter()
                    .map(|size| self.note(size.parse().unwrap()))
                    .collect::<Vec<_>>()
                    .into_iter()
                    .chain(self.last_unless(&words))
                    .collect()
            }
            "fork" => self.forks.push(number(1) as u64),
            "foreign" => self.replace_last(log_key(9), ""),
            "extension" => self.replace_last(log_key(1), "more\n"),
            "uncosign" => self.notes = self.sizes.iter().map(|size| self.clinic.book.signed(*size).to_string()).collect(),
            "one-witness" => self.keep_lines(2),
            "move-cosignature" => self.move_cosignature(number(1) as u64, number(2) as u64),
            "fake-witness" => self.fake_witness(),
            other => panic!("`{other}` is no step"),
        }
    }

    /// The thief's: every checkpoint over the records as they are now, and, if it is given, the one that witnesses saw in its place.
    pub fn resign(&mut self, witnessed: Option<&str>) {
        let size = self.book.rows.len() as u64;
        self.sizes.retain(|published| *published < size);
        self.sizes.push(size);
        let mut notes: Vec<(u64, String)> = self.sizes.iter().map(|size| (*size, self.book.signed(*size).to_string())).collect();
        notes.extend(witnessed.map(|note| (self.clinic.cosigned, note.to_owned())));
        for size in &self.forks {
            let other = Checkpoint { origin: ORIGIN.to_owned(), size: *size, root: [6; 32] };
            notes.push((*size, other.sign(&log_key(1)).unwrap().to_string()));
        }
        notes.sort_by_key(|(size, _)| *size);
        let last = self.book.signed(size).to_string();
        self.notes = notes.into_iter().map(|(_, note)| note).filter(|note| *note != last).collect();
        self.notes.push(last);
    }

    pub fn files(&self) -> Files {
        let mut files = self.book.files(&self.sizes);
        publish(&mut files, &self.notes);
        self.file_steps.iter().for_each(|step| change_file(&mut files, step));
        files
    }

    pub fn links(&self, folder: &Path) {
        for step in self.file_steps.iter().filter(|step| step[0] == "link") {
            let (path, beside) = (folder.join(&step[1]), folder.join("wal"));
            std::fs::rename(&path, &beside).unwrap();
            std::os::unix::fs::symlink(&beside, &path).unwrap();
        }
    }

    fn note(&self, size: u64) -> String {
        if size == self.clinic.cosigned { self.clinic.book.cosigned(size).to_string() } else { self.clinic.book.signed(size).to_string() }
    }

    fn delete_request(&mut self, number: u8) {
        self.book.rows.retain(|row| Leaf::read(&row.leaf).unwrap().subject != Some(Subject([number; 16])));
    }

    /// The same record with another text, sealed as it should be.
    fn rewrite(&mut self, index: u64) {
        let leaf = self.book.leaf(index);
        let mut draft = match (leaf.subject, leaf.target) {
            (Some(subject), _) => Draft::of_request(leaf.kind, subject),
            (_, Some(target)) => Draft::of_record(leaf.kind, target),
            _ => Draft::new(leaf.kind),
        }
        .unwrap();
        for section in leaf.sections.iter() {
            draft = draft.with(section, b"{\"nothing\":\"of the kind\"}".to_vec()).unwrap();
        }
        let (time_ms, epoch) = (self.book.time_ms, self.book.epoch);
        (self.book.time_ms, self.book.epoch) = (leaf.time_ms, leaf.epoch);
        self.book.rows[index as usize] = self.book.row(index, draft);
        (self.book.time_ms, self.book.epoch) = (time_ms, epoch);
    }

    fn change(&mut self, index: usize, change: impl FnOnce(&mut Leaf)) {
        let mut leaf = self.book.leaf(index as u64);
        change(&mut leaf);
        self.book.rows[index].leaf = leaf.bytes();
    }

    /// A heartbeat is taken out, and everything behind it is an hour later.
    fn silence(&mut self, index: usize) {
        self.book.rows.remove(index);
        for place in index..self.book.rows.len() {
            self.change(place, |leaf| leaf.time_ms += 3_600_000);
        }
    }

    /// The release of the hold becomes an erasure, and the keys go.
    fn erase_held(&mut self, record: u64) {
        let sections = self.book.leaf(record).sections;
        let at = self.clinic.cosigned;
        self.change(at as usize, |leaf| (leaf.kind, leaf.target) = (Kind::Erasure, Some(Target { index: record, sections })));
        self.slot(record as usize, &Slot::Gone { leaf: at });
    }

    /// A request that never was, slipped in whole.
    fn stranger_request(&mut self, index: usize) {
        let mut aside = self.book.clone();
        aside.salt = 99;
        aside.time_ms = self.book.leaf(index as u64).time_ms;
        aside.epoch = self.book.leaf(index as u64).epoch;
        aside.time_ms = aside.time_ms.max(START_MS);
        aside.rows.truncate(index);
        aside.of_request(Kind::RequestRefused, 250, &[SectionId::Meta]);
        self.book.rows.insert(index, aside.rows[index].clone());
    }

    fn slot(&mut self, index: usize, slot: &Slot) {
        self.book.rows[index].slot = slot.bytes(self.book.rows[index].slot.len()).unwrap();
    }

    /// The keys as they were before they were given up.
    fn revive(&mut self, index: u64) {
        let mut whole = Book::new();
        whole.rows = self.book.rows[..index as usize].to_vec();
        let leaf = self.book.leaf(index);
        let mut draft = Draft::of_request(leaf.kind, leaf.subject.unwrap()).unwrap();
        for section in leaf.sections.iter() {
            draft = draft.with(section, b"{}".to_vec()).unwrap();
        }
        self.book.rows[index as usize].slot = whole.row(index, draft).slot;
    }

    fn other_master(&mut self, index: u64) {
        let other = LocalMasterKeys::new((MasterKeyId([1; 4]), [43; 32]), &[]).unwrap();
        let entry = self.book.entry(index);
        let wrapped = entry.wrap(ORIGIN, self.book.leaf(index).record, [9; 12], &other).unwrap();
        assert_ne!(wrapped, entry.wrap(ORIGIN, self.book.leaf(index).record, [9; 12], &master()).unwrap());
        self.slot(index as usize, &Slot::Keys(wrapped.0));
    }

    /// The disk as it was then, but for the checkpoints that were published since.
    fn rollback(&mut self, size: u64) {
        self.book.rows.truncate(size as usize);
        for record in [crate::clinic::ERASED, crate::clinic::EXPIRED] {
            self.revive(record);
        }
        self.sizes.retain(|published| *published <= size);
        self.notes.push(self.clinic.book.signed(size).to_string());
    }

    fn last_unless(&self, words: &[&str]) -> Option<String> {
        (words[1] == "362").then(|| self.note(362))
    }

    fn replace_last(&mut self, signer: Signer, more: &str) {
        let mut note = Note::new(&format!("{}{more}", self.book.checkpoint(self.clinic.size()).text())).unwrap();
        note.sign(&signer).unwrap();
        *self.notes.last_mut().unwrap() = note.to_string();
    }

    fn keep_lines(&mut self, signatures: usize) {
        for note in &mut self.notes {
            let parsed = Note::parse(note.as_bytes()).unwrap();
            let mut kept = Note::new(parsed.text()).unwrap();
            parsed.signatures().iter().take(signatures).for_each(|signature| kept.add(signature.clone()).unwrap());
            *note = kept.to_string();
        }
    }

    fn move_cosignature(&mut self, from: u64, to: u64) {
        let lines: Vec<Signature> = self.clinic.book.cosigned(from).note().signatures().iter().skip(1).cloned().collect();
        let mut signed = self.clinic.book.signed(to);
        lines.into_iter().for_each(|line| signed.add(line).unwrap());
        *self.notes.last_mut().unwrap() = signed.to_string();
    }

    /// Under the name of a witness, by a key of one's own.
    fn fake_witness(&mut self) {
        let name = witness_key(1).verifier_key().name().to_owned();
        let fake = Signer::from_seed(&name, KeyKind::Witness, &[66; 32]).unwrap();
        let mut signed = self.clinic.book.signed(self.clinic.size());
        signed.add(cosign(signed.note(), &fake, START_MS).unwrap()).unwrap();
        *self.notes.last_mut().unwrap() = signed.to_string();
    }
}

/// The same map, with its first key in two bytes where one would do.
fn wide(leaf: &[u8]) -> Vec<u8> {
    assert_eq!(leaf[1], 1, "the version comes first");
    [&leaf[..1], &[0x18], &leaf[1..]].concat()
}

fn change_file(files: &mut Files, step: &[String]) {
    let words: Vec<&str> = step.iter().map(String::as_str).collect();
    if words[0] == "split-history" {
        return split_history(files, words[1].parse().unwrap());
    }
    let path = words[1];
    let mut bytes = files.get(path).unwrap_or_else(|| panic!("{path}: {:?}", files.keys().collect::<Vec<_>>())).clone();
    match words[0] {
        "drop" => return drop(files.remove(path)),
        "cut" => bytes.truncate(bytes.len() - words[2].parse::<usize>().unwrap()),
        "append" => {
            bytes.extend(words[2].as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()))
        }
        "fill" => bytes = vec![b'F'; words[2].parse().unwrap()],
        "flip" => bytes[words[2].parse::<usize>().unwrap()] ^= 1,
        "swap" => {
            let other = files.insert(words[2].to_owned(), bytes).unwrap();
            bytes = other;
        }
        "copy" => drop(files.insert(words[2].to_owned(), bytes.clone())),
        "text" => {
            let (from, to) = (words[2].replace("\\s", " "), words[3].replace("\\s", " "));
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.contains(&from), "{path}: {from}");
            bytes = text.replace(&from, &to).into_bytes();
        }
        "key" => {
            let (from, to) = (log_key(1).verifier_key().to_string(), log_key(words[2].parse().unwrap()).verifier_key().to_string());
            bytes = String::from_utf8(bytes).unwrap().replace(&from, &to).into_bytes();
        }
        _ => {}
    }
    files.insert(path.to_owned(), bytes);
}

/// The checkpoints from the `first` on go into a second file.
fn split_history(files: &mut Files, first: usize) {
    let bytes = files["checkpoints/000000"].clone();
    let place = (0..first).fold(0, |place, _| place + 4 + u32::from_be_bytes(*bytes[place..].first_chunk().unwrap()) as usize);
    let (before, after) = bytes.split_at(place);
    files.insert("checkpoints/000000".to_owned(), before.to_vec());
    files.insert("checkpoints/000001".to_owned(), after.to_vec());
}
