//! The REST door over real connections, with an application behind it that only notes what it is asked.

#[cfg(test)]
mod fake;
#[cfg(test)]
mod malformed;
#[cfg(test)]
mod methods;
#[cfg(test)]
mod talk;
#[cfg(test)]
mod upload;
#[cfg(test)]
mod wording;
