//! The REST door over real connections, with an application behind it that only notes what it is asked.

mod fake;
mod malformed;
mod methods;
mod talk;
mod upload;
mod wording;
