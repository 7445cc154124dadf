//! Every limit of the host, with its unit.

use crate::decode::Limits;
use crate::host::session::CallLimits;

#[derive(Clone, Debug)]
pub struct Settings {
    pub analysis: CallLimits,
    pub answer: Limits,
    /// Of all tables of one analysis, fields of structs counted: they are written for the engine before its deadline can stop anything.
    pub catalog_columns_max: usize,
    pub evaluation: CallLimits,
    /// Instances that run statements at the same time.
    pub evaluators: usize,
    /// Instances that analyse at the same time; each takes a thread and some 40 MiB.
    pub instances: usize,
    /// Calls that wait for an instance; more are refused at once.
    pub queue_calls_max: usize,
    pub statement_bytes_max: usize,
    /// Registered table sets that are kept for the next statement.
    pub table_sets_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            analysis: CallLimits { milliseconds_max: 2_000, memory_bytes_max: 512 << 20 },
            answer: Limits::default(),
            catalog_columns_max: 200_000,
            evaluation: CallLimits { milliseconds_max: 30_000, memory_bytes_max: 1 << 30 },
            evaluators: 2,
            instances: std::thread::available_parallelism().map_or(2, usize::from),
            queue_calls_max: 256,
            statement_bytes_max: 1 << 20,
            table_sets_bytes_max: 256 << 20,
        }
    }
}
