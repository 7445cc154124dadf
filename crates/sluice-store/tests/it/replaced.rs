//! A file that takes the place of another: at any time there is one of the two, whole.

use crate::image::Crash;
use crate::simulated::SimulatedDisk;
use sluice_store::disk::{read_whole, replace};

const NAME: &str = "file";
/// Of several sectors, so that one can be torn.
const BYTES: usize = 1500;
/// Both a name that is kept and bytes that are lost: a few tries do not meet that.
const SEEDS: u64 = 200;

#[test]
fn there_is_the_old_one_or_the_new_one_whole() {
    let (old, new) = (vec![b'o'; BYTES], vec![b'n'; BYTES - 1]);
    let disk = SimulatedDisk::default();
    replace(&disk, NAME, &old).unwrap();
    disk.take_snapshots();
    disk.fail(None);
    replace(&disk, NAME, &new).unwrap();
    let last = disk.image();
    let operations = disk.operations();
    let place =
        |wanted: &str| operations.iter().position(|operation| operation.starts_with(wanted)).unwrap_or_else(|| panic!("{operations:?}"));
    assert!(place("sync file.new") < place("rename file.new"), "{operations:?}");
    let snapshots = disk.snapshots();
    for (crash, seed) in Crash::ALL.into_iter().flat_map(|crash| (0..SEEDS).map(move |seed| (crash, seed))) {
        for snapshot in &snapshots {
            let after = SimulatedDisk::of(snapshot.image.crash(crash, seed));
            let found = read_whole(&after, NAME, BYTES).unwrap().unwrap_or_default();
            assert!(found == old || found == new, "{crash:?} {seed} after `{}`: {} bytes", snapshot.operation, found.len());
        }
        assert_eq!(
            read_whole(&SimulatedDisk::of(last.crash(crash, seed)), NAME, BYTES).unwrap().unwrap(),
            new,
            "{crash:?}: it was answered"
        );
    }
}
