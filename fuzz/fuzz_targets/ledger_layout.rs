// A slot, and the table of a pack, as anybody may have written them. A slot has one form; rows lie one behind the other.
#![no_main]

use sluice_ledger::layout::{PACK_HEAD_BYTES, PackKind, PackName, PackTable, Slot};

const NAME: PackName = PackName { kind: PackKind::Keys, number: 2 };
const TABLE_START: usize = PACK_HEAD_BYTES - 8 * 4096;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(slot) = Slot::read(1, bytes) {
        assert_eq!(slot.bytes(bytes.len()).as_deref(), Some(bytes));
    }
    let mut head = NAME.empty_head();
    for (place, byte) in head.iter_mut().skip(TABLE_START).zip(bytes) {
        *place = *byte;
    }
    if let Ok(table) = PackTable::read(NAME, &head, (bytes.len() / 8) as u64) {
        let mut end = PACK_HEAD_BYTES as u64;
        for record in NAME.first_record()..NAME.first_record() + table.records() {
            let (start, length) = table.row(record).expect("it is one of the rows that were read");
            assert_eq!(start, end);
            end = start + length as u64;
        }
        assert_eq!(end, table.end());
    }
});
