//! The front door, attacked from outside: the program as it is run, its embedded warehouse behind it, raw sockets in front.

#[cfg(test)]
mod amplified;
#[cfg(test)]
mod apart;
#[cfg(test)]
mod attempts;
#[cfg(test)]
mod beside;
#[cfg(test)]
mod between;
#[cfg(test)]
mod bulk;
#[cfg(test)]
mod by_place;
#[cfg(test)]
mod canaries;
#[cfg(test)]
mod carried;
#[cfg(test)]
mod chains;
#[cfg(test)]
mod collector;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod double;
#[cfg(test)]
mod evasion;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod exposition;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod findings;
#[cfg(test)]
mod flows;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod grown;
#[cfg(test)]
mod guesses;
#[cfg(test)]
mod h2;
#[cfg(test)]
mod hangup;
#[cfg(test)]
mod historical;
#[cfg(test)]
mod honest;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod interference;
#[cfg(test)]
mod invariants;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod labelling;
#[cfg(test)]
mod late;
#[cfg(test)]
mod later;
#[cfg(test)]
mod leaving;
#[cfg(test)]
mod loaders;
#[cfg(test)]
mod long;
#[cfg(test)]
mod malformed;
#[cfg(test)]
mod masks;
#[cfg(test)]
mod meanwhile;
#[cfg(test)]
mod measured;
#[cfg(test)]
mod numbers;
#[cfg(test)]
mod ownership;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod partitions;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod pool;
#[cfg(test)]
mod probing;
#[cfg(test)]
mod program;
#[cfg(test)]
mod raced;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod report;
#[cfg(test)]
mod reshaped;
#[cfg(test)]
mod restarted;
#[cfg(test)]
mod scanned;
#[cfg(test)]
mod shaped;
#[cfg(test)]
mod shards;
#[cfg(test)]
mod sizes;
#[cfg(test)]
mod slow;
#[cfg(test)]
mod storage;
#[cfg(test)]
#[path = "../../../sluice-sandbox/tests/sandbox/storage_cells.rs"]
mod storage_cells;
#[cfg(test)]
#[path = "../../../sluice-sandbox/tests/sandbox/storage_rows.rs"]
mod storage_rows;
#[cfg(test)]
mod storage_wire;
#[cfg(test)]
mod storage_write;
#[cfg(test)]
mod storage_writer;
#[cfg(test)]
mod streamed;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod taking;
#[cfg(test)]
mod talk;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod told;
#[cfg(test)]
mod twins;
#[cfg(test)]
mod uploads;
#[cfg(test)]
mod waited;
#[cfg(test)]
mod walk;
#[cfg(test)]
mod watch;
#[cfg(test)]
mod way;
#[cfg(test)]
mod world;
#[cfg(test)]
mod write_changes;
